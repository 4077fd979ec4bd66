"""ONNX files of the models' parts: as torch computes, at sizes other than the traced one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
import torch
from click.testing import CliRunner
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from safetensors.torch import save_file
from transformers.models.florence2.configuration_florence2 import Florence2Config
from transformers.models.florence2.modeling_florence2 import Florence2ForConditionalGeneration
from transformers.models.sam3.configuration_sam3 import Sam3Config
from transformers.models.sam3.modeling_sam3 import Sam3Model

from pawfect_export.onnx import MAX_DIFFERENCE, difference, main, write
from pawfect_export.onnx_parts import FAMILIES, Part, florence2_tower, flux_blocks, sam3_encoder
from pawfect_export.tiny.florence2 import build as build_florence2

FLORENCE = {
    "text_config": {
        "model_type": "bart",
        "d_model": 16,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 16,
        "decoder_ffn_dim": 16,
        "vocab_size": 32,
        "max_position_embeddings": 32,
    },
    "vision_config": {
        "depths": [1, 1],
        "patch_size": [7, 3],
        "patch_stride": [4, 2],
        "patch_padding": [3, 1],
        "patch_prenorm": [False, True],
        "embed_dim": [8, 16],
        "num_heads": [2, 4],
        "num_groups": [2, 4],
        "window_size": 4,
        "projection_dim": 16,
    },
    "image_token_id": 31,
}
SAM3 = {
    "vision_config": {
        "backbone_config": {
            "model_type": "sam3_vit_model",
            "hidden_size": 16,
            "intermediate_size": 24,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 112,
            "window_size": 4,
            "global_attn_indexes": [1],
            "pretrain_image_size": 56,
        },
        "fpn_hidden_size": 8,
        "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
    },
    "text_config": {
        "model_type": "clip_text_model",
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "vocab_size": 16,
        "projection_dim": 8,
    },
    **{
        f"{name}_config": {"hidden_size": 8, "num_attention_heads": 2} | more
        for name, more in {
            "geometry_encoder": {"num_layers": 1, "intermediate_size": 8},
            "detr_encoder": {"num_layers": 1, "intermediate_size": 8},
            "detr_decoder": {"num_layers": 1, "intermediate_size": 8, "num_queries": 4},
            "mask_decoder": {},
        }.items()
    },
}


def flux() -> FluxTransformer2DModel:
    return FluxTransformer2DModel(
        in_channels=24,
        out_channels=8,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        pooled_projection_dim=16,
        guidance_embeds=True,
        axes_dims_rope=(4, 6, 6),
    )


def axes(path: Path) -> dict[str, list[str | int]]:
    graph = onnx.load(path).graph
    return {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in [*graph.input, *graph.output]
    }


PARTS: dict[str, Callable[[], Part]] = {
    "flux_double_block": lambda: flux_blocks(flux())[0],
    "flux_single_block": lambda: flux_blocks(flux())[1],
    "florence2_tower": lambda: florence2_tower(
        Florence2ForConditionalGeneration(Florence2Config(**FLORENCE))
    ),
    "sam3_encoder": lambda: sam3_encoder(Sam3Model(Sam3Config(**SAM3))),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, tuple[Part, Path]]:
    folder = tmp_path_factory.mktemp("onnx")
    torch.manual_seed(0)
    parts = {name: build() for name, build in PARTS.items()}
    return {name: (part, write(part, folder)) for name, part in parts.items()}


@pytest.mark.parametrize("name", PARTS)
def test_the_outputs_are_those_of_torch_at_every_size(made, name):
    part, path = made[name]
    torch.manual_seed(1)
    for batch in (1, 4):
        assert difference(path, part.module, part.inputs(batch)) <= MAX_DIFFERENCE


@pytest.mark.parametrize("name", ["flux_double_block", "flux_single_block"])
def test_batch_image_and_text_tokens_of_flux_are_dynamic(made, name):
    shapes = axes(made[name][1])
    assert shapes["hidden_states"] == ["batch", "image_tokens", 32]
    assert shapes["encoder_hidden_states"] == ["batch", "text_tokens", 32]
    assert shapes["hidden_states_out"] == ["batch", "image_tokens", 32]
    assert shapes["encoder_hidden_states_out"] == ["batch", "text_tokens", 32]


def test_the_height_and_width_of_florences_picture_are_dynamic(made):
    part, path = made["florence2_tower"]
    assert axes(path)["pixel_values"] == ["batch", 3, "height", "width"]
    for height, width in ((64, 64), (33, 95), (96, 40)):
        inputs = {"pixel_values": torch.randn(1, 3, height, width)}
        assert difference(path, part.module, inputs) <= MAX_DIFFERENCE


def test_the_batch_of_sam3_is_dynamic_and_every_level_is_given(made):
    shapes = axes(made["sam3_encoder"][1])
    assert shapes["pixel_values"] == ["batch", 3, 112, 112]
    assert [shapes[f"level_{n}"][2:] for n in range(4)] == [[s, s] for s in (32, 16, 8, 4)]


def test_a_file_that_differs_from_torch_is_not_kept(made, tmp_path):
    part, _ = made["florence2_tower"]

    class Restless(torch.nn.Module):
        calls = 0

        def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
            Restless.calls += 1
            return pixel_values * Restless.calls

    restless = Part("restless", Restless(), part.inputs, part.dynamic, ("out",), traced=True)
    with pytest.raises(ValueError, match="restless: expected a difference of at most"):
        write(restless, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_command_writes_what_lies_in_a_checkpoint(tmp_path):
    # Its weights are large enough for an attention scaled for another size to show.
    build_florence2(tmp_path / "weights")
    arguments = ["florence2", "--weights", str(tmp_path / "weights"), "--out", str(tmp_path)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "florence2_tower.onnx").is_file()


def test_sam3_is_read_as_it_is_published(tmp_path):
    # The published file holds the detector below a prefix, beside the video tracker.
    config = Sam3Config(**SAM3)
    tensors = {f"detector_model.{n}": t for n, t in Sam3Model(config).state_dict().items()}
    save_file(tensors | {"tracker_neck.a": torch.ones(1)}, tmp_path / "model.safetensors")
    published = {"model_type": "sam3_video", "detector_config": config.to_dict()}
    (tmp_path / "config.json").write_text(json.dumps(published))
    (part,) = FAMILIES["sam3"](tmp_path)
    loaded = part.module.state_dict()
    assert loaded
    for name, tensor in loaded.items():
        given = tensors[f"detector_model.vision_encoder.{name.removeprefix('model.')}"]
        torch.testing.assert_close(tensor, given, rtol=0, atol=0)


def test_flux_is_read_as_diffusers_saves_it(tmp_path):
    saved = flux()
    saved.save_pretrained(tmp_path / "transformer")
    double, single = FAMILIES["flux"](tmp_path)
    for part, block in (
        (double, saved.transformer_blocks[0]),
        (single, saved.single_transformer_blocks[0]),
    ):
        for name, tensor in block.state_dict().items():
            torch.testing.assert_close(part.module.state_dict()[f"block.{name}"], tensor)
