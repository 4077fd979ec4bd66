"""LoRAs fused into transformers' weights, whatever names their files use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.loaders.lora_conversion_utils import _convert_kohya_flux_lora_to_diffusers
from diffusers.loaders.lora_pipeline import Flux2LoraLoaderMixin, QwenImageLoraLoaderMixin
from diffusers.loaders.single_file_utils import convert_flux2_transformer_checkpoint_to_diffusers
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from diffusers.models.transformers.transformer_flux2 import Flux2Transformer2DModel
from diffusers.models.transformers.transformer_qwenimage import QwenImageTransformer2DModel
from safetensors.torch import save_file

from pawfect.contract.errors import ErrorKind
from pawfect.flux import gguf as flux_gguf
from pawfect.klein import gguf as klein_gguf
from pawfect.qwen import gguf as qwen_gguf
from pawfect_export.lora import Update, read_lora
from pawfect_export.tiny.edit import TRANSFORMER as EDIT
from pawfect_export.tiny.flux import TRANSFORMER
from pawfect_export.tiny.klein import TRANSFORMER as KLEIN
from tests.refusals import refusal

RANK = 3


def hollow(kind: Any, config: Mapping[str, Any]) -> Any:
    with torch.device("meta"):
        return kind.from_config(dict(config))


def shapes(module: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


MODULES = {
    "flux": (hollow(FluxTransformer2DModel, TRANSFORMER), flux_gguf.PUBLISHED, "x_embedder.weight"),
    "klein": (hollow(Flux2Transformer2DModel, KLEIN), klein_gguf.PUBLISHED),
    "edit": (hollow(QwenImageTransformer2DModel, EDIT), qwen_gguf.PUBLISHED),
}
SHAPES = shapes(MODULES["flux"][0])


def read(folder: Path, model: str = "flux") -> dict[str, Update]:
    return read_lora(folder, *MODULES[model])


def pair(stem: str, rows: int, columns: int, names: tuple[str, str]) -> dict[str, torch.Tensor]:
    down, up = names
    return {
        f"{stem}.{down}.weight": torch.randn(RANK, columns),
        f"{stem}.{up}.weight": torch.randn(rows, RANK),
    }


def write(folder: Path, tensors: dict[str, torch.Tensor]) -> Path:
    folder.mkdir(exist_ok=True)
    save_file(tensors, folder / "lora.safetensors")
    return folder


@pytest.mark.parametrize("prefix", ["transformer.", ""])
@pytest.mark.parametrize("names", [("lora_A", "lora_B"), ("lora.down", "lora.up")])
def test_a_fused_layer_computes_what_the_layer_and_the_lora_beside_it_do(tmp_path, prefix, names):
    name = "single_transformer_blocks.1.proj_out"
    rows, columns = SHAPES[f"{name}.weight"]
    tensors = pair(f"{prefix}{name}", rows, columns, names)
    updates = read(write(tmp_path / "lora", tensors))
    assert updates.keys() == {f"{name}.weight"}
    weight, inputs = torch.randn(rows, columns), torch.randn(5, columns)
    down, up = tensors.values()
    expected = inputs @ weight.T + 0.125 * (inputs @ down.T) @ up.T
    fused = updates[f"{name}.weight"].of(weight, 0.125)
    torch.testing.assert_close(inputs @ fused.T, expected, rtol=1e-4, atol=1e-4)


def test_kohyas_names_rows_and_alpha_are_those_of_diffusers_converter(tmp_path):
    kohya = ("lora_down", "lora_up")
    layers = {
        "double_blocks_0_img_attn_qkv": (3 * 128, 128),
        "double_blocks_1_txt_attn_qkv": (3 * 128, 128),
        "double_blocks_0_txt_mlp_2": (128, 512),
        "double_blocks_1_img_attn_proj": (128, 128),
        "double_blocks_0_img_mod_lin": (6 * 128, 128),
        "single_blocks_1_linear1": (3 * 128 + 512, 128),
        "single_blocks_0_linear2": (128, 640),
    }
    tensors: dict[str, torch.Tensor] = {}
    for place, (layer, size) in enumerate(layers.items()):
        tensors |= pair(f"lora_unet_{layer}", *size, kohya)
        tensors[f"lora_unet_{layer}.alpha"] = torch.tensor(1.0 + place)
    # diffusers' converter counts 19 joint blocks and cuts linear1 at FLUX.1's widths: the sizes of
    # the tiny model go through it but for that one layer, whose rows are compared by hand.
    own = {name: value for name, value in tensors.items() if "linear1" not in name}
    expected = _convert_kohya_flux_lora_to_diffusers(dict(own))
    updates = read(write(tmp_path / "lora", tensors))
    stems = {name.removesuffix(".lora_A.weight") for name in expected if "lora_A" in name}
    assert {f"transformer.{name.removesuffix('.weight')}" for name in updates} >= stems
    for stem in stems:
        name = f"{stem.removeprefix('transformer.')}.weight"
        added = updates[name].of(torch.zeros(SHAPES[name]), 1.0)
        by_diffusers = expected[f"{stem}.lora_B.weight"] @ expected[f"{stem}.lora_A.weight"]
        torch.testing.assert_close(added, by_diffusers, rtol=1e-4, atol=1e-5)
    stem = "lora_unet_single_blocks_1_linear1"
    whole = tensors[f"{stem}.lora_up.weight"] @ tensors[f"{stem}.lora_down.weight"] * 6 / RANK
    parts = [f"single_transformer_blocks.1.{n}.weight" for n in
             ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")]  # fmt: skip
    joined = torch.cat([updates[n].of(torch.zeros(SHAPES[n]), 1.0) for n in parts])
    torch.testing.assert_close(joined, whole, rtol=1e-4, atol=1e-5)


def test_dots_are_read_as_well_as_underscores_and_the_last_layers_halves_change_places(tmp_path):
    layer = "final_layer.adaLN_modulation.1"
    dotted = pair(f"diffusion_model.{layer}", 256, 128, ("lora_A", "lora_B"))
    down, up = dotted.values()
    flat = f"lora_unet_{layer.replace('.', '_')}"
    kohya = {f"{flat}.lora_down.weight": down, f"{flat}.lora_up.weight": up.clone()}
    expected = torch.cat((up[128:], up[:128])) @ down
    for number, tensors in enumerate((dotted, kohya)):
        updates = read(write(tmp_path / str(number), tensors))
        added = updates["norm_out.linear.weight"].of(torch.zeros(256, 128), 1.0)
        torch.testing.assert_close(added, expected, rtol=1e-4, atol=1e-5)


def test_the_embedder_that_fill_widened_takes_the_latents_part_only(tmp_path):
    tensors = pair("transformer.x_embedder", 128, 64, ("lora_A", "lora_B"))
    down, up = tensors.values()
    updates = read(write(tmp_path / "lora", tensors))
    weight = torch.randn(128, 384)
    fused = updates["x_embedder.weight"].of(weight, 1.0)
    torch.testing.assert_close(fused[:, :64], weight[:, :64] + up @ down)
    torch.testing.assert_close(fused[:, 64:], weight[:, 64:], rtol=0, atol=0)


# Layers of Qwen-Image that Lightning's LoRAs change: all linear ones of the blocks.
LIGHTNING = (
    *(f"attn.{name}" for name in ("to_q", "to_k", "to_v", "to_out.0", "to_add_out")),
    *(f"attn.add_{name}_proj" for name in "qkv"),
    *(
        f"{of}_{layer}"
        for of in ("img", "txt")
        for layer in ("mlp.net.0.proj", "mlp.net.2", "mod.1")
    ),
)


def adapters(
    sizes: Mapping[str, tuple[int, ...]], names: tuple[str, str], alpha: bool
) -> dict[str, torch.Tensor]:
    """Random matrices of layers by name and [rows, columns], some with their alphas."""
    tensors: dict[str, torch.Tensor] = {}
    for place, (layer, size) in enumerate(sizes.items()):
        tensors |= pair(layer, *size, names)
        if alpha:
            tensors[f"{layer}.alpha"] = torch.tensor(1.0 + place)
    return tensors


def added(updates: Mapping[str, Update], module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: updates[name].of(torch.zeros(shapes(module)[name]), 1.0) for name in updates}


def by_diffusers(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The products of what diffusers' loader makes of a file, by the names of the weights."""
    stems = {n.removesuffix(".lora_A.weight") for n in state if n.endswith(".lora_A.weight")}
    return {
        f"{stem.removeprefix('transformer.')}.weight": state[f"{stem}.lora_B.weight"]
        @ state[f"{stem}.lora_A.weight"]
        for stem in stems
    }


def assert_same(own: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> None:
    assert own.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(own[name], value, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize(
    ("prefix", "names", "flat"),
    [
        # As lightx2v/Qwen-Image-Lightning publishes them, then as ComfyUI, kohya and peft do.
        ("", ("lora_down", "lora_up"), False),
        ("diffusion_model.", ("lora_A", "lora_B"), False),
        ("lora_unet_", ("lora_down", "lora_up"), True),
        ("", ("lora_A.default", "lora_B.default"), False),
    ],
)
def test_qwen_images_loras_are_read_as_diffusers_loader_does(tmp_path, prefix, names, flat):
    module = MODULES["edit"][0]
    sizes = {
        layer: shapes(module)[f"{layer}.weight"]
        for block in (0, 1)
        for layer in (f"transformer_blocks.{block}.{name}" for name in LIGHTNING)
    }
    spelled = {f"{prefix}{n.replace('.', '_') if flat else n}": size for n, size in sizes.items()}
    tensors = adapters(spelled, names, alpha="down" in names[0])
    updates = read(write(tmp_path / "lora", tensors), "edit")
    expected = by_diffusers(QwenImageLoraLoaderMixin.lora_state_dict(dict(tensors)))
    assert_same(added(updates, module), expected)
    assert updates.keys() == {f"{name}.weight" for name in sizes}


def klein_sizes(layers: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """The sizes of klein's published layers."""
    module, published = MODULES["klein"]
    own = shapes(module)
    parts = published.parts(module)
    held = {layer: [own[part] for part in parts[f"{layer}.weight"]] for layer in layers}
    return {n: (sum(size[0] for size in sizes), sizes[0][1]) for n, sizes in held.items()}


KLEIN_LAYERS = (
    "double_blocks.0.img_attn.qkv",
    "double_blocks.1.txt_attn.qkv",
    "double_blocks.1.img_attn.proj",
    "double_blocks.0.txt_mlp.0",
    "double_blocks.0.img_mlp.2",
    "single_blocks.1.linear1",
    "single_blocks.0.linear2",
    "double_stream_modulation_img.lin",
    "single_stream_modulation.lin",
    "img_in",
)


@pytest.mark.parametrize(
    ("prefix", "names", "flat"),
    [
        ("diffusion_model.", ("lora_A", "lora_B"), False),
        ("lora_unet_", ("lora_down", "lora_up"), True),
    ],
)
def test_kleins_loras_are_read_as_diffusers_loader_does(tmp_path, prefix, names, flat):
    # Of kohya's names diffusers knows none of a modulation.
    sizes = klein_sizes(name for name in KLEIN_LAYERS if not (flat and "modulation" in name))
    spelled = {f"{prefix}{n.replace('.', '_') if flat else n}": size for n, size in sizes.items()}
    tensors = adapters(spelled, names, alpha=flat)
    updates = read(write(tmp_path / "lora", tensors), "klein")
    expected = by_diffusers(Flux2LoraLoaderMixin.lora_state_dict(dict(tensors)))
    assert_same(added(updates, MODULES["klein"][0]), expected)


def test_fused_into_klein_is_fused_into_its_published_weights(tmp_path):
    """diffusers' converter of whole checkpoints swaps the last layer's halves; ours with it."""
    module = MODULES["klein"][0]
    sizes = klein_sizes([*KLEIN_LAYERS, "final_layer.adaLN_modulation.1"])
    flat = {f"lora_unet_{name.replace('.', '_')}": size for name, size in sizes.items()}
    tensors = adapters(flat, ("lora_down", "lora_up"), alpha=False)
    updates = read(write(tmp_path / "lora", tensors), "klein")
    checkpoint = {
        f"{name}.weight": tensors[f"{stem}.lora_up.weight"] @ tensors[f"{stem}.lora_down.weight"]
        for name, stem in zip(sizes, flat, strict=True)
    }
    expected = convert_flux2_transformer_checkpoint_to_diffusers(checkpoint)
    assert_same(added(updates, module), expected)


def test_only_flux_fill_takes_a_narrower_embedder(tmp_path):
    folder = write(tmp_path / "lora", pair("x_embedder", 128, 64, ("lora_A", "lora_B")))
    message = refusal(ErrorKind.UNAVAILABLE, read, folder, "klein")
    assert "x_embedder: expected [128, 128], got [128, 64]" in message


def test_the_file_may_lie_deeper_as_published(tmp_path):
    tensors = pair("transformer_blocks.0.attn.to_q", 64, 64, ("lora_down", "lora_up"))
    (tmp_path / "lora").mkdir()
    write(tmp_path / "lora" / "Qwen-Image-Edit-2509", tensors)
    assert read(tmp_path / "lora", "edit").keys() == {"transformer_blocks.0.attn.to_q.weight"}


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        (
            pair("text_encoder.layers.0", 8, 8, ("lora_A", "lora_B")),
            "a FluxTransformer2DModel, got text",
        ),
        (pair("lora_te1_layer", 8, 8, ("lora_down", "lora_up")), "a FluxTransformer2DModel"),
        (pair("transformer.proj_out", 64, 100, ("lora_A", "lora_B")), "[64, 128], got [64, 100]"),
        ({"transformer.proj_out.lora_A.weight": torch.zeros(3, 128)}, "expected both matrices"),
        ({"transformer.proj_out.diff": torch.zeros(3)}, "expected a LoRA's matrices"),
        (
            {
                "proj_out.lora_A.weight": torch.zeros(3, 128),
                "proj_out.lora_B.weight": torch.zeros(64, 4),
            },
            "expected one rank, got 4 and 3",
        ),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path, tensors, says):
    folder = write(tmp_path / "lora", tensors)
    assert says in refusal(ErrorKind.UNAVAILABLE, read, folder)


def test_one_file_is_expected(tmp_path):
    message = refusal(ErrorKind.UNAVAILABLE, read, tmp_path)
    assert "expected one LoRA file, got none" in message
