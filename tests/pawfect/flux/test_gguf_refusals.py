"""Quantised FLUX files that are damaged, or another model's: refused, with the reason."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_export.tiny.gguf_file import write
from tests.pawfect.flux.gguf_files import joined, load_transformer


def refusal(folder: Path) -> str:
    with pytest.raises(PawfectError) as caught:
        load_transformer(folder, device="cpu", dtype="float32")
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    assert str(folder) not in caught.value.message
    return caught.value.message


@pytest.fixture
def copied(gguf_files, tmp_path) -> Path:
    folder = tmp_path / "flux"
    shutil.copytree(gguf_files["Q4_0"], folder)
    return folder


def rewrite(folder: Path, architecture: str = "flux", **changes: np.ndarray | None) -> None:
    """Write the folder's file anew with some tensors changed or left out."""
    (path,) = folder.glob("*.gguf")
    values = dict(joined()) | changes
    kept = {name: value for name, value in values.items() if value is not None}
    write(path, kept, gguf.GGMLQuantizationType.Q4_0, architecture)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"img_in.bias": None}, "1 missing: img_in.bias"),
        ({"double_blocks.1.txt_attn.qkv.weight": None}, "1 missing: double_blocks.1.txt_attn.qkv"),
        ({"double_blocks.2.img_mod.lin.bias": np.ones(3, np.float32)}, "1 extra: double_blocks.2"),
        ({"img_in.bias": np.ones(255, np.float32)}, "1 mis-shaped: img_in.bias [255] for [256]"),
        (
            {"single_blocks.0.linear1.weight": np.ones((256, 1792), np.float32)},
            "1 mis-shaped: single_blocks.0.linear1.weight [256, 1792] for [1792, 256]",
        ),
        (
            {"double_blocks.0.img_attn.qkv.weight": np.ones((768, 512), np.float32)},
            "[768, 512] for [768, 256]",
        ),
    ],
)
def test_missing_extra_and_mis_shaped_tensors_are_named(copied, changes, expected):
    rewrite(copied, **changes)
    assert expected in refusal(copied)


def test_the_config_decides_the_sizes(copied):
    config = copied / "transformer" / "config.json"
    content = json.loads(config.read_text())
    config.write_text(json.dumps(content | {"num_layers": 3}))
    assert "24 missing: double_blocks.2" in refusal(copied)
    config.write_text(json.dumps(content | {"num_attention_heads": "many"}))
    assert "config.json: expected settings that build the module" in refusal(copied)
    config.write_text(json.dumps(content | {"_class_name": "SD3Transformer2DModel"}))
    assert "expected FluxTransformer2DModel, got SD3Transformer2DModel" in refusal(copied)
    config.unlink()
    assert "expected config.json" in refusal(copied)


@pytest.mark.parametrize("keep", [0, 3, 24, 2000, 0.5, 0.999])
def test_a_truncated_file_is_refused(copied, keep):
    (path,) = copied.glob("*.gguf")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep) if isinstance(keep, float) else keep])
    assert "expected GGUF, got a damaged file" in refusal(copied)


def test_another_format_under_the_name_of_gguf_is_refused(copied, gguf_source):
    (path,) = copied.glob("*.gguf")
    (weights,) = (gguf_source / "transformer").glob("*.safetensors")
    shutil.copy(weights, path)
    assert "expected GGUF, got a damaged file" in refusal(copied)
    torch.save({"a": torch.ones(1)}, path)
    assert "expected GGUF, got a damaged file" in refusal(copied)


def test_another_architecture_is_refused(copied):
    rewrite(copied, architecture="sd3")
    assert "expected flux, little-endian, got sd3, little-endian" in refusal(copied)


def test_a_type_that_nothing_here_decodes_is_refused(copied):
    (path,) = copied.glob("*.gguf")
    writer = gguf.GGUFWriter(path, "flux")
    blocks = np.zeros((4, 66), np.uint8)
    writer.add_tensor("img_in.weight", blocks, raw_dtype=gguf.GGMLQuantizationType.IQ2_XXS)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert "got IQ2_XXS" in refusal(copied)


def test_one_file_is_expected_not_two(copied):
    (path,) = copied.glob("*.gguf")
    shutil.copy(path, copied / "second.gguf")
    assert "expected one GGUF file, got flux1-fill-dev-Q4_0.gguf, second.gguf" in refusal(copied)


def test_a_folder_without_one_is_read_as_published(copied):
    (path,) = copied.glob("*.gguf")
    path.unlink()
    assert "expected diffusion_pytorch_model.safetensors, got config.json" in refusal(copied)
