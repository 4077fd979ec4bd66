"""klein and Qwen-Image-Edit quantised: entries that their own loaders read, close to the plain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pawfect.contract.errors import ErrorKind
from pawfect.contract.texts import text_tensor
from pawfect.diffusion.quantised.integer import IntegerLinear
from pawfect.diffusion.quantised.loading import read_recipe
from pawfect.klein import text as klein_text
from pawfect.profile import load_profile
from pawfect.qwen import text as edit_text
from pawfect.serving import load_batch, load_function
from pawfect.weights.store import Store
from pawfect_export.build import build_entry
from pawfect_export.progress import silent
from pawfect_export.quantise import build
from pawfect_export.tiny.gguf_file import build as build_gguf
from tests.pawfect.diffusion.tiny_chains import TINY, relative
from tests.refusals import refusal

PROMPTS = ("green grass", "A dog on a bench beside the sea, with fallen leaves; remove the leash")
PICTURE = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
# Products of attention and of what follows it, in a block.
ATTENTION = (
    *(f"attn.{name}" for name in ("to_q", "to_k", "to_v", "to_out.0", "to_add_out")),
    *(f"attn.add_{name}_proj" for name in "qkv"),
)
BLOCKS = {
    "tiny-klein": {
        "transformer_blocks": (
            *ATTENTION,
            *(f"{f}.linear_{side}" for f in ("ff", "ff_context") for side in ("in", "out")),
        ),
        "single_transformer_blocks": ("attn.to_qkv_mlp_proj", "attn.to_out"),
    },
    "tiny-edit": {
        "transformer_blocks": (
            *ATTENTION,
            *(f"{of}_mlp.net.{n}" for of in ("img", "txt") for n in ("0.proj", "2")),
        )
    },
}
LAYER = (
    *(f"self_attn.{name}_proj" for name in "qkvo"),
    *(f"mlp.{name}_proj" for name in ("gate", "up", "down")),
)


@pytest.fixture(scope="module")
def entries(tiny_chains: Store) -> Store:
    """The store with all quantised entries of the tiny chains."""
    for name in ("tiny-klein-int8", "tiny-klein-int4", "tiny-klein-text-int4"):
        build_entry(name, tiny_chains, silent)
    for name in ("tiny-edit-int8", "tiny-edit-int4"):
        build_entry(name, tiny_chains, silent)
    return tiny_chains


def names_of(blocks: Mapping[str, tuple[str, ...]], count: int) -> set[str]:
    return {
        f"{stem}.{number}.{name}"
        for stem, names in blocks.items()
        for number in range(count)
        for name in names
    }


def quantised_names(module: torch.nn.Module) -> set[str]:
    return {name for name, layer in module.named_modules() if isinstance(layer, IntegerLinear)}


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize(("scheme", "error"), [("int8", 0.02), ("int4", 0.07)])
@pytest.mark.parametrize("name", TINY)
def test_the_velocity_is_close_to_the_plain_ones(entries, name, scheme, error, dtype):
    chain = TINY[name]
    plain = chain.velocity(chain.load(entries.root / name))
    loaded = chain.load(entries.folder(f"{name}-{scheme}", mend="m"), dtype)
    assert loaded.arithmetic == f"{scheme} by torch._int_mm"
    assert relative(chain.velocity(loaded), plain) <= error


@pytest.mark.parametrize("name", TINY)
def test_only_products_inside_the_blocks_are_quantised(entries, name):
    module = TINY[name].load(entries.root / f"{name}-int4", "float16").module
    assert quantised_names(module) == names_of(BLOCKS[name], 2)
    tensors = dict(module.named_parameters()) | dict(module.named_buffers())
    assert all(tensor.dtype == torch.float16 for n, tensor in tensors.items() if "mod" in n)


@pytest.mark.parametrize("storage", ["int4", "GGUF"])
def test_qwen_images_modulation_may_stay_off_the_device_of_quantised_blocks(
    entries, tmp_path, storage
):
    chain, folder = TINY["tiny-edit"], entries.root / "tiny-edit-int4"
    if storage == "GGUF":
        # Its layers are quantised here, as in the published files.
        folder = tmp_path
        build_gguf(folder, entries.root / "tiny-edit", "Q8_0", name="model")
    how = {"device": "cpu", "dtype": "float32"}
    cached = chain.transformer.load(folder, **how, modulation="cached")
    assert not any("_mod." in name for name, _ in cached.module.named_parameters())
    apart, whole = chain.velocity(cached), chain.velocity(chain.load(folder))
    np.testing.assert_allclose(apart, whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", TINY)
def test_an_entry_says_what_it_was_made_of(entries, name):
    recipe = read_recipe(
        entries.folder(f"{name}-int8", mend="m") / "transformer", "diffusion_pytorch_model"
    )
    assert (recipe.scheme, recipe.source) == ("int8", entries.identity(name))


def test_a_lora_is_fused_before_quantising(entries, tmp_path):
    """Quantised with it is close to the plain model with it, and not to the one without."""
    chain, name = TINY["tiny-edit"], "transformer_blocks.1.img_mlp.net.2"
    generator = torch.Generator().manual_seed(0)
    down, up = torch.randn(4, 256, generator=generator), torch.randn(64, 4, generator=generator)
    matrices = {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}
    (tmp_path / "lora").mkdir()
    save_file(matrices | {f"{name}.alpha": torch.tensor(1.0)}, tmp_path / "lora" / "l.safetensors")
    (tmp_path / "made").mkdir()
    source = entries.root / "tiny-edit"
    build(tmp_path / "made", source, tmp_path / "lora", scheme="int8", lora_scale=0.5)
    plain = chain.load(source)
    without = chain.velocity(plain)
    plain.module.get_submodule(name).weight.data += 0.5 * 1.0 / 4 * up @ down
    fused = chain.velocity(plain)
    quantised = chain.velocity(chain.load(tmp_path / "made"))
    assert relative(quantised, fused) <= 0.02 < 0.2 < relative(without, fused)


def embeds(encoder: Any) -> np.ndarray:
    shown = [[PICTURE]] if isinstance(encoder, edit_text.TextEncoder) else []
    embedded = [encoder.encode(prompt, *shown).embeds for prompt in PROMPTS]
    return np.concatenate(embedded).astype(np.float32)


ENCODERS = {"tiny-klein": klein_text.TextEncoder, "tiny-edit": edit_text.TextEncoder}


def encoder_of(name: str, root: Path, weights: Path | None = None, dtype: str = "float32") -> Any:
    return ENCODERS[name].load(root / name, device="cpu", dtype=dtype, tokens=64, weights=weights)


@pytest.mark.parametrize(
    ("name", "scheme", "dtype", "error"),
    [
        # The errors of 27 layers one behind the other add up. 27 random ones of the published width
        # give the same: 0.05 and 0.3.
        ("tiny-klein", "int8", "float32", 0.06),
        ("tiny-klein", "int4", "float16", 0.35),
        ("tiny-edit", "int8", "float16", 0.03),
        ("tiny-edit", "int4", "float32", 0.22),
    ],
)
def test_prompts_are_embedded_close_to_the_plain_encoders(
    tiny_chains, tmp_path, name, scheme, dtype, error
):
    source = tiny_chains.root / name
    build(tmp_path, source, scheme=scheme, component="text_encoder")
    assert [path.name for path in tmp_path.iterdir()] == ["text_encoder"]
    encoder = encoder_of(name, tiny_chains.root, tmp_path, dtype)
    assert encoder.arithmetic == f"{scheme} by torch._int_mm"
    assert relative(embeds(encoder), embeds(encoder_of(name, tiny_chains.root))) <= error


def test_of_the_encoders_the_language_layers_are_quantised_and_nothing_else(tiny_chains, tmp_path):
    for name, stem, layers in (
        ("tiny-klein", "layers", 27),
        ("tiny-edit", "language_model.layers", 2),
    ):
        made = tmp_path / name
        made.mkdir()
        build(made, tiny_chains.root / name, scheme="int4", component="text_encoder")
        encoder = encoder_of(name, tiny_chains.root, made)
        assert quantised_names(encoder.encoder) == names_of({stem: LAYER}, layers)


def test_of_kleins_encoder_only_what_is_used_is_kept(entries):
    whole, made = (
        entries.root / n / "text_encoder" for n in ("tiny-klein", "tiny-klein-text-int4")
    )
    assert (made / "config.json").read_bytes() == (whole / "config.json").read_bytes()
    names = {name for path in made.glob("*.safetensors") for name in load_file(path)}
    assert {int(name.split(".")[1]) for name in names if name.startswith("layers.")} == {*range(27)}
    assert not any(name.startswith(("norm.", "lm_head")) for name in names)


def test_the_models_load_them_by_the_profiles_components(entries):
    profile = load_profile("tiny-klein")
    whole = {**profile.weights}
    parted = whole | {"klein_transformer": "tiny-klein-int8", "klein_text": "tiny-klein-text-int4"}
    prompt = {"PROMPT": text_tensor(PROMPTS[0])}
    found = {}
    for kind, weights in (("whole", whole), ("parted", parted)):
        own = replace(profile, weights=weights)
        encode = load_function("klein_text_encoder", own, entries)
        found[kind] = encode(prompt, {})["PROMPT_EMBEDS"].astype(np.float32)
        (answer,) = load_batch("klein_transformer", own, entries)([TINY["tiny-klein"].step()])
        found[f"{kind} step"] = answer["VELOCITY"]
    direct = encoder_of("tiny-klein", entries.root, entries.root / "tiny-klein-text-int4")
    direct.tokens = profile.klein.text_tokens
    np.testing.assert_array_equal(
        found["parted"], direct.encode(PROMPTS[0]).embeds.astype(np.float32)
    )
    assert 0 < relative(found["parted"], found["whole"]) <= 0.4
    assert 0 < relative(found["parted step"], found["whole step"]) <= 0.02


def test_a_lora_of_a_text_encoder_is_refused(tiny_chains, tmp_path):
    how = {"scheme": "int8", "component": "text_encoder"}
    given = (tmp_path, tiny_chains.root / "tiny-klein", tmp_path)
    message = refusal(ErrorKind.INVALID_ARG, build, *given, **how)
    assert message.startswith("lora: expected none, of a text encoder")


def test_a_module_that_is_not_known_here_is_refused_by_its_class(tiny_chains, tmp_path):
    how = {"scheme": "int8", "component": "vae"}
    message = refusal(
        ErrorKind.UNAVAILABLE, build, tmp_path, tiny_chains.root / "tiny-klein", **how
    )
    assert "expected one of FluxTransformer2DModel" in message
    assert "got AutoencoderKLFlux2" in message


@pytest.mark.parametrize("name", TINY)
def test_weights_of_another_model_are_refused(entries, name):
    (other,) = set(TINY) - {name}
    message = refusal(ErrorKind.UNAVAILABLE, TINY[name].load, entries.root / f"{other}-int4")
    assert f"got {type(TINY[other].load(entries.root / other).module).__name__}" in message
