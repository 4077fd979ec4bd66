"""SAM3's checkpoint: the published layout is taken whole, anything else is not taken at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers.models.sam3.configuration_sam3 import Sam3Config
from transformers.models.sam3.modeling_sam3 import Sam3Model

from pawfect.contract.errors import ErrorKind
from pawfect.scene.lexicon import Surface
from pawfect.scene.sam3 import SurfaceLabeller
from pawfect.scene.sam3_checkpoint import build_without_weights, load_sam3
from pawfect.scene.sam3_network import Sam3
from tests.refusals import refusal

PHRASES = ("grass", "fallen leaves")


def load(folder: Path) -> Any:
    return load_sam3(folder, device="cpu", dtype="float32")


def changed_json(folder: Path, name: str, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads((folder / name).read_text())
    change(content)
    (folder / name).write_text(json.dumps(content))


@pytest.fixture
def copied(checkpoint: Path, tmp_path: Path) -> Path:
    """A copy of the tiny checkpoint that may be written to."""
    return Path(shutil.copytree(checkpoint, tmp_path / "sam3"))


def test_every_detector_weight_is_the_files_and_the_tracker_is_left_out(checkpoint: Path):
    tensors = load_file(checkpoint / "model.safetensors")
    loaded = load(checkpoint).model.state_dict()
    assert {f"detector_model.{name}" for name in loaded} == {
        name for name in tensors if name.startswith("detector_model.")
    }
    assert any(name.startswith("tracker_model.") for name in tensors)
    assert any(name.startswith("tracker_neck.") for name in tensors)
    for name, tensor in loaded.items():
        assert torch.equal(tensor, tensors[f"detector_model.{name}"]), name


def test_weights_take_the_dtype_asked_for_and_constants_keep_theirs(checkpoint: Path):
    model = load_sam3(checkpoint, device="cpu", dtype="float16").model
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float16}
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert not model.training
    frequencies = [b for name, b in model.named_buffers() if name.endswith("inv_freq")]
    assert {buffer.dtype for buffer in frequencies} == {torch.float32}


def test_constant_buffers_are_those_that_the_class_computes(checkpoint: Path):
    table = json.loads((checkpoint / "config.json").read_text())["detector_config"]
    built = dict(build_without_weights(Sam3Config.from_dict(table)).named_buffers())
    expected = dict(Sam3Model(Sam3Config.from_dict(table)).named_buffers())
    assert set(built) == set(expected)
    for name, buffer in expected.items():
        assert torch.equal(built[name], buffer), name
        assert built[name].dtype == buffer.dtype


def test_the_full_sizes_positions_are_those_that_were_learned_scaled():
    # Sam3Config's defaults are the published sizes.
    buffers = dict(build_without_weights(Sam3Config()).named_buffers())
    assert not any(buffer.is_meta for buffer in buffers.values())
    # 72x72 patches at the scale of the 24x24 ones that positions were learned at.
    positions = buffers["vision_encoder.backbone.layers.7.position_ids"]
    assert positions.shape == (72 * 72, 2)
    assert float(positions.max()) == pytest.approx(71 * 24 / 72)


def test_the_image_models_own_layout_gives_the_same_labels(checkpoint, copied, tmp_path):
    own = tmp_path / "own"
    Sam3Model.from_pretrained(checkpoint, local_files_only=True).save_pretrained(own)
    assert not any("detector_model" in name for name in load_file(own / "model.safetensors"))
    for name in ("tokenizer.json", "processor_config.json"):
        shutil.copy(checkpoint / name, own)
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    ring = np.full((64, 64), 255, np.uint8)
    labels = [
        SurfaceLabeller(
            Sam3.load(folder, device="cpu", dtype="float32"), [Surface("grass", PHRASES)]
        ).label(image, ring, least=0.0)
        for folder in (copied, own)
    ]
    assert labels[0].scores.tobytes() == labels[1].scores.tobytes()


def refused(folder: Path, said: str) -> str:
    message = refusal(ErrorKind.UNAVAILABLE, load, folder)
    assert said in message
    assert str(folder.parent) not in message
    return message


@pytest.mark.parametrize("name", ["config.json", "processor_config.json", "tokenizer.json"])
def test_a_file_that_is_missing_or_no_text_is_named(copied: Path, name: str):
    (copied / name).write_bytes(b'{"model_type": "\xff"}')
    refused(copied, f"expected {name}, got UnicodeDecodeError")
    (copied / name).unlink()
    refused(copied, f"expected {name}, got ")


CONFIG, PROCESSOR, TOKENIZER = "config.json", "processor_config.json", "tokenizer.json"
ONE_TOKEN = {"type": "BPE", "vocab": {"a": 0}, "merges": []}
OTHER_HEADS = {"detr_encoder_config": {"num_attention_heads": "4"}}
OTHER_SIDE = {"size": {"height": 448, "width": 448}}


def one_more_token(content: dict[str, Any]) -> None:
    vocabulary = content["model"]["vocab"]
    vocabulary["more"] = len(vocabulary)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        (CONFIG, lambda c: c.update(model_type="clip"), "sam3 or sam3_video, got clip"),
        (CONFIG, lambda c: c.update(detector_config=[1]), "expected SAM3's, got TypeError"),
        (CONFIG, lambda c: c["detector_config"].update(OTHER_HEADS), "SAM3's, got StrictDataclass"),
        # Sizes that config.json leaves out are the full-size model's, which these weights are not.
        (CONFIG, lambda c: c.pop("detector_config"), "expected a side of 1008 px, got 224"),
        (PROCESSOR, lambda c: c["image_processor"].update(OTHER_SIDE), "side of 224 px, got 448"),
        (PROCESSOR, lambda c: c.pop("image_processor"), "expected bilinear resizing"),
        (PROCESSOR, lambda c: c.update(image_processor="x"), "as an object, got str"),
        (TOKENIZER, lambda c: c.pop("model"), "expected a tokenizer, got "),
        (
            TOKENIZER,
            lambda c: c.update(added_tokens=[], post_processor=None, model=ONE_TOKEN),
            "tokens with <|endoftext|>, got 1 without it",
        ),
        (TOKENIZER, one_more_token, "expected at most "),
    ],
)
def test_files_that_do_not_fit_together_are_refused(copied, name, change, said):
    changed_json(copied, name, change)
    assert name in refused(copied, said)


def test_a_phrase_over_the_text_encoders_length_is_refused_not_cut(checkpoint: Path):
    long = " ".join(["xyz"] * 20)
    message = refusal(ErrorKind.INVALID_ARG, load(checkpoint).tokenise, ["grass", long])
    assert "PHRASE: expected at most 32 tokens, some 30 words, got " in message


def test_the_text_encoder_can_stay_apart_as_its_file_has_it(checkpoint: Path):
    # Whatever is not the network's own device: here the CPU under another name.
    model = load_sam3(checkpoint, device="cpu", dtype="float16", text_device="apart").model
    kept = {name for name, own in model.named_parameters() if own.dtype == torch.float32}
    assert kept
    assert kept == {name for name, _ in model.named_parameters() if name.startswith("text_enc")}


def test_an_empty_vocabulary_and_no_phrase_at_once_are_refused(checkpoint: Path):
    network = Sam3.load(checkpoint, device="cpu", dtype="float32")
    surfaces = [Surface("grass", PHRASES)]
    message = refusal(ErrorKind.INVALID_ARG, SurfaceLabeller, network, surfaces, 0)
    assert "phrases_at_once: expected at least 1, got 0" in message
    message = refusal(ErrorKind.UNAVAILABLE, SurfaceLabeller, network, [])
    assert "expected at least one surface, got none" in message
