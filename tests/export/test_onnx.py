"""ONNX files of the models' parts: as torch computes, at sizes other than the traced one."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from pawfect_export.onnx import MAX_DIFFERENCE, difference, main, write
from pawfect_export.onnx_parts import FAMILIES, Part
from pawfect_export.tiny import sam3

FLUX = "tiny-flux-fill/transformer"
ENTRIES = {"flux": "tiny-flux-fill", "florence2": "tiny-florence2", "sam3": "tiny-sam3"}


@pytest.fixture(scope="module")
def parts(tiny_weights) -> dict[str, Part]:
    return {
        part.name: part
        for name, entry in ENTRIES.items()
        for part in FAMILIES[name](tiny_weights / entry)
    }


def written(part: Part, folder: Path) -> tuple[Path, dict[str, list[str | int]]]:
    """Write a part, and return its path and its inputs' and outputs' axes."""
    path = write(part, folder)
    graph = onnx.load(path).graph
    return path, {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in [*graph.input, *graph.output]
    }


def agrees(path: Path, part: Part, *batches: int) -> bool:
    """Whether the file gives what torch does, for batches of these sizes."""
    torch.manual_seed(1)
    given = (difference(path, part.module, part.inputs(batch)) for batch in batches)
    return max(given) <= MAX_DIFFERENCE


def test_the_parts_are_those_of_every_family(parts):
    flux_blocks = {"flux_double_block", "flux_single_block"}
    assert set(parts) == flux_blocks | {"florence2_tower", "sam3_encoder"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["double", "single"])
def test_batch_image_and_text_tokens_of_a_flux_block_are_dynamic(parts, tmp_path, kind):
    part = parts[f"flux_{kind}_block"]
    path, axes = written(part, tmp_path)
    for ending in ("", "_out"):
        assert axes[f"hidden_states{ending}"] == ["batch", "image_tokens", 128]
        assert axes[f"encoder_hidden_states{ending}"] == ["batch", "text_tokens", 128]
    assert agrees(path, part, 1, 4)


@pytest.mark.slow
def test_the_command_writes_a_tower_whose_height_and_width_are_dynamic(
    tiny_weights, parts, tmp_path
):
    # Its weights are large enough for an attention scaled for another size to show.
    given = ["--weights", str(tiny_weights / "tiny-florence2"), "--out", str(tmp_path)]
    result = CliRunner().invoke(main, ["florence2", *given])
    assert result.exit_code == 0, result.output
    path, part = tmp_path / "florence2_tower.onnx", parts["florence2_tower"]
    (pixels,) = (value for value in onnx.load(path).graph.input)
    sizes = [d.dim_param or d.dim_value for d in pixels.type.tensor_type.shape.dim]
    assert sizes == ["batch", 3, "height", "width"]
    assert agrees(path, part, 1, 4)
    for height, width in ((64, 64), (33, 95), (96, 40)):
        inputs = {"pixel_values": torch.randn(1, 3, height, width)}
        assert difference(path, part.module, inputs) <= MAX_DIFFERENCE


@pytest.mark.slow
def test_the_batch_of_sam3_is_dynamic_and_every_level_is_given(parts, tmp_path):
    part = parts["sam3_encoder"]
    path, axes = written(part, tmp_path)
    assert axes["pixel_values"] == ["batch", 3, sam3.SIDE, sam3.SIDE]
    assert [axes[f"level_{n}"][2:] for n in range(4)] == [[s, s] for s in (64, 32, 16, 8)]
    assert agrees(path, part, 1, 4)


def test_a_file_that_differs_from_torch_is_not_kept(parts, tmp_path):
    like = parts["florence2_tower"]

    class Restless(torch.nn.Module):
        calls = 0

        def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
            Restless.calls += 1
            return pixel_values * Restless.calls

    restless = Part("restless", Restless(), like.inputs, like.dynamic, ("out",), traced=True)
    with pytest.raises(ValueError, match="restless: expected a difference of at most"):
        write(restless, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("part", "file", "ours", "published"),
    [
        # The published file holds the detector below a prefix, beside the video tracker.
        ("sam3_encoder", "tiny-sam3/model.safetensors", "model.", "detector_model.vision_encoder."),
        ("florence2_tower", "tiny-florence2/model.safetensors", "model.", "model.vision_tower."),
        ("flux_single_block", FLUX, "block.", "single_transformer_blocks.0."),
        ("flux_double_block", FLUX, "block.", "transformer_blocks.0."),
    ],
)
def test_a_part_has_the_published_weights(tiny_weights, parts, part, file, ours, published):
    path = tiny_weights / file
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    tensors = {name: tensor for each in files for name, tensor in load_file(each).items()}
    loaded = dict(parts[part].module.named_parameters())
    assert loaded
    for name, tensor in loaded.items():
        given = tensors[published + name.removeprefix(ours)].float()
        torch.testing.assert_close(tensor.data, given, rtol=0, atol=0)
