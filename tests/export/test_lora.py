"""LoRAs fused into FLUX's weights, whatever names their files use."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers.loaders.lora_conversion_utils import _convert_kohya_flux_lora_to_diffusers
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from safetensors.torch import save_file

from pawfect.contract.errors import ErrorKind
from pawfect_export.lora import read_lora
from pawfect_export.tiny.flux import TRANSFORMER
from tests.refusals import refusal

RANK = 3


def shapes() -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        module = FluxTransformer2DModel.from_config(dict(TRANSFORMER))
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


SHAPES = shapes()


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
    updates = read_lora(write(tmp_path / "lora", tensors), SHAPES)
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
    updates = read_lora(write(tmp_path / "lora", tensors), SHAPES)
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
        updates = read_lora(write(tmp_path / str(number), tensors), SHAPES)
        added = updates["norm_out.linear.weight"].of(torch.zeros(256, 128), 1.0)
        torch.testing.assert_close(added, expected, rtol=1e-4, atol=1e-5)


def test_the_embedder_that_fill_widened_takes_the_latents_part_only(tmp_path):
    tensors = pair("transformer.x_embedder", 128, 64, ("lora_A", "lora_B"))
    down, up = tensors.values()
    updates = read_lora(write(tmp_path / "lora", tensors), SHAPES)
    weight = torch.randn(128, 384)
    fused = updates["x_embedder.weight"].of(weight, 1.0)
    torch.testing.assert_close(fused[:, :64], weight[:, :64] + up @ down)
    torch.testing.assert_close(fused[:, 64:], weight[:, 64:], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        (pair("text_encoder.layers.0", 8, 8, ("lora_A", "lora_B")), "FLUX's transformer, got text"),
        (pair("lora_te1_layer", 8, 8, ("lora_down", "lora_up")), "FLUX's transformer"),
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
    assert says in refusal(ErrorKind.UNAVAILABLE, read_lora, folder, SHAPES)


def test_one_file_is_expected(tmp_path):
    message = refusal(ErrorKind.UNAVAILABLE, read_lora, tmp_path, SHAPES)
    assert "expected one LoRA file, got none" in message
