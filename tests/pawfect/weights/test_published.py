"""Full size without weights: the production loaders build each module from its published config and
accept the published names and shapes, and only them.

The lists are proven a second way: a safetensors file of exactly these tensors has the size that the
published file has, to the byte.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from pawfect.contract.errors import PawfectError
from pawfect.diffusion.gguf import joined_shapes
from pawfect.flux import gguf, text, transformer_module, vae
from pawfect.flux.published_names import published_names
from pawfect.scene import florence2, sam3_checkpoint
from pawfect.weights.checkpoint import check_shapes, check_strict, names_under
from pawfect.weights.published import NAMES, read

Shapes = Mapping[str, tuple[int, ...]]
# How its loader builds each module of a folder with its config, and where the loader takes it from
# in its file (`names_under`).
BUILT: dict[str, tuple[Callable[[Path], torch.nn.Module], str, tuple[str, ...]]] = {
    "flux_transformer": (
        lambda f: transformer_module.build_module(f, transformer_module.FILL),
        "",
        (),
    ),
    "flux_vae": (vae.build_module, "", ()),
    "clip_text_encoder": (text.build_clip, text.CLIP_PREFIX, ()),
    "t5_text_encoder": (text.build_t5, "", ()),
    "sam3": (
        sam3_checkpoint.build_module,
        sam3_checkpoint.DETECTOR_PREFIX,
        sam3_checkpoint.TRACKER_PREFIXES,
    ),
    "florence2_base": (lambda f: florence2.build_module(f)[1], "", ()),
}
BYTES = {"BF16": 2, "F16": 2, "F32": 4}
MODULES: dict[str, torch.nn.Module] = {}


def module(name: str) -> torch.nn.Module:
    """Build a full-size module on the meta device, once."""
    if name not in MODULES:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "config.json").write_text(json.dumps(dict(read(name).config)))
            MODULES[name] = BUILT[name][0](Path(folder))
    return MODULES[name]


def own_shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Return the published shapes by the module's own names."""
    tensors = read(name).tensors
    names = names_under(tensors, *BUILT[name][1:])
    return {own: tensors[published] for published, own in names.items()}


def file_size(tensors: Shapes, dtype: str) -> int:
    """Return the bytes of a safetensors file of these tensors, sorted by name as it does."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in sorted(tensors):
        start, end = end, end + math.prod(tensors[name]) * BYTES[dtype]
        header[name] = {"dtype": dtype, "shape": tensors[name], "data_offsets": (start, end)}
    length = len(json.dumps(header, separators=(",", ":")))
    return 8 + length + -length % 8 + end


def parts(names: Iterable[str], tensors: Shapes, dtype: str, limit: int) -> list[Shapes]:
    """Split tensors in their order into parts of at most `limit` bytes, as both libraries do."""
    split: list[dict[str, tuple[int, ...]]] = [{}]
    held = 0
    for name in names:
        size = math.prod(tensors[name]) * BYTES[dtype]
        if held + size > limit:
            split.append({})
            held = 0
        split[-1][name] = tensors[name]
        held += size
    return list(split)


def sizes(name: str) -> dict[str, int | None]:
    return {file.name: file.size for file in read(name).files}


@pytest.mark.parametrize("name", BUILT)
def test_the_full_size_module_takes_the_published_tensors_and_only_them(name):
    assert all(parameter.is_meta for parameter in module(name).parameters())
    shapes = own_shapes(name)
    check_strict(module(name), shapes, name)
    some = sorted(shapes)[len(shapes) // 2]
    for changed, problem in (
        ({n: s for n, s in shapes.items() if n != some}, "1 missing"),
        (shapes | {"one.more": (1,)}, "1 extra"),
        (shapes | {some: (*shapes[some], 1)}, "1 mis-shaped"),
    ):
        with pytest.raises(PawfectError, match=problem):
            check_strict(module(name), changed, name)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("flux_vae", "diffusion_pytorch_model.safetensors"),
        ("clip_text_encoder", "model.safetensors"),
        ("sam3", "model.safetensors"),
        ("florence2_base", "model.safetensors"),
    ],
)
def test_a_file_of_these_tensors_has_the_published_size_to_the_byte(name, file):
    published = read(name)
    assert file_size(published.tensors, published.dtype) == sizes(name)[file]


def test_the_original_file_of_flux_holds_these_tensors_and_a_header_of_its_own():
    published = read("flux_transformer_original")
    more = sizes("flux_transformer_original")["flux1-fill-dev.safetensors"] - file_size(
        published.tensors, published.dtype
    )
    assert 0 <= more < 100_000


def test_the_parts_of_t5_have_the_published_sizes_to_the_byte():
    published = read("t5_text_encoder")
    order = [n for n in module("t5_text_encoder").state_dict() if n in published.tensors]
    split = parts(order, published.tensors, "BF16", 5 * 10**9)
    got = [file_size(part, "BF16") for part in split]
    assert got == [s for n, s in sizes("t5_text_encoder").items() if n.endswith(".safetensors")]


def test_the_parts_of_flux_follow_the_rule_that_gives_those_of_flux_dev():
    order, tensors = list(module("flux_transformer").state_dict()), read("flux_transformer").tensors
    dev = dict(tensors) | {"x_embedder.weight": (3072, 64)}
    # black-forest-labs/FLUX.1-dev, folder transformer, as the hub lists it.
    expected = [9_983_040_304, 9_949_328_904, 3_870_584_832]
    assert [file_size(part, "BF16") for part in parts(order, dev, "BF16", 10**10)] == expected
    fill = [file_size(part, "BF16") for part in parts(order, tensors, "BF16", 10**10)]
    listed = sizes("flux_transformer")
    assert fill == [size for name, size in listed.items() if name.endswith(".safetensors")]


def test_the_published_names_of_flux_hold_the_rows_of_diffusers_tensors():
    own = read("flux_transformer").tensors
    joined = {
        name: (sum(own[part][0] for part in held), *own[held[0]][1:])
        for name, held in published_names(19, 38, guidance=True).items()
    }
    check_shapes(joined, read("flux_transformer_original").tensors, "FLUX")


def test_the_gguf_loader_takes_the_published_tensors_by_their_original_names():
    full = module("flux_transformer")
    shapes = {name: tuple(tensor.shape) for name, tensor in full.state_dict().items()}
    joined = joined_shapes(gguf.parts_of(full), shapes)
    check_shapes(joined, read("flux_transformer_original").tensors, "FLUX")


def test_the_published_gguf_quantises_the_linear_layers_of_the_blocks_and_nothing_else():
    tensors, listed = read("flux_transformer_original").tensors, sizes("flux_transformer_original")
    inside = sum(
        math.prod(shape)
        for name, shape in tensors.items()
        if "_blocks." in name and len(shape) == 2
    )
    smaller, larger = (listed[f"flux1-fill-dev-{kind}.gguf"] for kind in ("Q4_0", "Q4_1"))
    # A block of 32 weights takes 18 bytes in Q4_0 and 20 in Q4_1.
    assert larger - smaller == inside // 32 * 2


def test_the_published_gguf_keeps_small_layers_around_the_blocks_in_f32_and_large_ones_in_half():
    outside = {
        name: shape
        for name, shape in read("flux_transformer_original").tensors.items()
        if "_blocks." not in name or len(shape) == 1
    }
    inside = sum(map(math.prod, read("flux_transformer_original").tensors.values())) - sum(
        map(math.prod, outside.values())
    )
    # Widest of the small ones: the pooled text embedding's 768 inputs and the latents' 384.
    narrow = {"img_in.weight", "final_layer.linear.weight"} | {
        f"{name}_in.in_layer.weight" for name in ("time", "vector", "guidance")
    }
    held = sum(
        math.prod(shape) * (4 if len(shape) == 1 or name in narrow else 2)
        for name, shape in outside.items()
    )
    header = (
        sizes("flux_transformer_original")["flux1-fill-dev-Q4_0.gguf"] - inside // 32 * 18 - held
    )
    assert 780 * 40 < header < 780 * 100


@pytest.mark.parametrize("name", NAMES)
def test_every_list_names_its_source_and_its_files(name):
    published = read(name)
    assert any("huggingface.co" in line or "github.com" in line for line in published.source)
    assert len({file.name for file in published.files}) == len(published.files) > 0
    assert all(len(file.sha256) == 64 for file in published.files if file.sha256)


def test_florence2_makes_577_tokens_of_a_picture_of_the_published_side():
    side = SimpleNamespace(height=768, width=768)
    assert florence2._image_tokens(module("florence2_base").config, side) == 577


def test_an_unknown_checkpoint_is_a_key_error():
    with pytest.raises(KeyError):
        read("../flux_vae")
