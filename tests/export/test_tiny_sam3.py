"""The tiny SAM3: the published repository's files in the real classes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers.models.clip.tokenization_clip import CLIPTokenizer
from transformers.models.sam3_video.configuration_sam3_video import Sam3VideoConfig
from transformers.models.sam3_video.modeling_sam3_video import Sam3VideoModel

from pawfect.scene.lexicon import labelled_surfaces
from pawfect_export.tiny import sam3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "new" / "sam3"
    sam3.build(folder)
    return folder


def tokenizer(folder: Path) -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)


def test_the_weights_are_the_video_models_to_the_last_tensor(folder: Path):
    config = Sam3VideoConfig.from_dict(json.loads((folder / "config.json").read_text()))
    assert config.architectures == ["Sam3VideoModel"]
    with torch.device("meta"):
        model = Sam3VideoModel(config)
    tensors = load_file(folder / "model.safetensors")
    assert {name: tensor.shape for name, tensor in tensors.items()} == {
        name: tensor.shape for name, tensor in model.state_dict().items()
    }
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())
    assert 0.5e6 < sum(tensor.numel() for tensor in tensors.values()) < 2e6


def test_the_full_size_model_has_the_same_modules(folder: Path):
    with torch.device("meta"):
        full = Sam3VideoModel(Sam3VideoConfig()).state_dict()
    assert set(load_file(folder / "model.safetensors")) <= set(full)


def test_config_and_processor_agree_with_each_other(folder: Path):
    config = json.loads((folder / "config.json").read_text())
    processor = json.loads((folder / "processor_config.json").read_text())
    detector = config["detector_config"]
    side = detector["vision_config"]["backbone_config"]["image_size"]
    finest, _ = detector["vision_config"]["backbone_feature_sizes"][0]
    assert processor["image_processor"]["size"] == {"height": side, "width": side}
    assert processor["image_processor"]["mask_size"] == {"height": finest, "width": finest}
    assert processor["target_size"] == side
    assert detector["text_config"]["vocab_size"] == len(tokenizer(folder))
    assert detector["text_config"]["eos_token_id"] == tokenizer(folder).eos_token_id


def test_the_tokenizer_is_clips_byte_pair_encoding(folder: Path):
    clip = tokenizer(folder)
    start, end = clip.bos_token_id, clip.eos_token_id
    assert (start, end) == (len(clip) - 2, len(clip) - 1)
    assert clip("Grass").input_ids == clip("  grass ").input_ids
    assert clip.convert_ids_to_tokens(clip("grass").input_ids) == [
        "<|startoftext|>",
        "grass</w>",
        "<|endoftext|>",
    ]
    # A word that was never seen falls apart into its bytes, none of them unknown.
    parts = clip.convert_ids_to_tokens(clip("qxñ").input_ids[1:-1])
    assert len(parts) == 4
    assert end not in clip("qxñ").input_ids[1:-1]
    padded = clip("grass", padding="max_length")
    assert padded.input_ids == [start, padded.input_ids[1], *[end] * 30]
    assert padded.attention_mask == [1, 1, 1, *[0] * 29]


def test_the_tokenizers_files_say_the_same(folder: Path):
    by_parts = CLIPTokenizer(
        vocab=os.fspath(folder / "vocab.json"), merges=os.fspath(folder / "merges.txt")
    )
    for surface in labelled_surfaces():
        for phrase in surface.phrases:
            ids = tokenizer(folder)(phrase).input_ids
            assert by_parts(phrase).input_ids == ids
            assert len(ids) <= 32
            assert by_parts.decode(ids, skip_special_tokens=True) == phrase
