"""The tiny Qwen-Image-Edit: the same bytes each time, read whole by the libraries themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import QwenImageEditPipeline, QwenImageEditPlusPipeline
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import Qwen2Tokenizer

from pawfect.qwen.template import DROPPED, PICTURE, PREFIX
from pawfect.weights.reading import read_json
from pawfect_export.tiny.edit import PIPELINES, build
from tests.edit_oracle import load_pipeline
from tests.export.test_tiny import contents

TOKENIZER = ("added_tokens", "special_tokens_map", "tokenizer_config", "vocab")
# As Qwen/Qwen-Image-Edit-2509 has them, but for what nothing here reads.
FILES = sorted(
    [
        "model_index.json",
        "processor/preprocessor_config.json",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "text_encoder/model-00001-of-00002.safetensors",
        "text_encoder/model-00002-of-00002.safetensors",
        "text_encoder/model.safetensors.index.json",
        "transformer/config.json",
        *(f"transformer/diffusion_pytorch_model-0000{n}-of-00003.safetensors" for n in (1, 2, 3)),
        "transformer/diffusion_pytorch_model.safetensors.index.json",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
        *(f"{part}/{name}.json" for part in ("tokenizer", "processor") for name in TOKENIZER),
        *(f"{part}/merges.txt" for part in ("tokenizer", "processor")),
    ]
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "edit"
    build(folder)
    return folder


@pytest.fixture(scope="module")
def tokenizer(folder) -> Qwen2Tokenizer:
    return Qwen2Tokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)


def test_its_seed_decides_its_weights_and_nothing_else(folder, tmp_path):
    before = torch.get_rng_state()
    build(tmp_path / "again")
    build(tmp_path / "other", seed=1)
    assert torch.equal(before, torch.get_rng_state())
    first, other = contents(folder), contents(tmp_path / "other")
    assert sorted(first) == FILES
    assert sum(map(len, first.values())) < 3e6
    assert contents(tmp_path / "again") == first
    changed = {path for path in first if first[path] != other[path]}
    assert changed == {path for path in first if path.endswith(".safetensors")}


def test_its_pipeline_is_said_in_its_index_alone(folder, tmp_path):
    build(tmp_path, pipeline="QwenImageEditPipeline")
    first, other = contents(folder), contents(tmp_path)
    assert {path for path in first if first[path] != other[path]} == {"model_index.json"}
    named = [read_json(one, "model_index.json")["_class_name"] for one in (tmp_path, folder)]
    assert tuple(named) == PIPELINES
    with pytest.raises(ValueError, match="expected one of QwenImageEditPipeline"):
        build(tmp_path, pipeline="QwenImagePipeline")


@pytest.mark.parametrize("kind", [QwenImageEditPipeline, QwenImageEditPlusPipeline])
def test_diffusers_and_transformers_load_it_whole(folder, kind):
    pipeline = load_pipeline(kind, folder)
    assert pipeline.vae_scale_factor == 8
    assert pipeline.scheduler.config.shift_terminal == 0.02
    # Loaded, not freshly initialised: what transformers read are the numbers that were written.
    written = {
        name: tensor
        for part in sorted((folder / "text_encoder").glob("*.safetensors"))
        for name, tensor in load_file(part).items()
    }
    encoder = pipeline.text_encoder.state_dict()
    assert len(encoder) == len(written)
    for name, own in (
        ("lm_head.weight", "lm_head.weight"),
        ("model.norm.weight", "model.language_model.norm.weight"),
        ("visual.merger.mlp.2.weight", "model.visual.merger.mlp.2.weight"),
    ):
        assert torch.equal(encoder[own], written[name].float())


def test_each_word_of_the_template_is_a_token(tokenizer):
    tokens = tokenizer.tokenize(PREFIX)
    assert len(tokens) == DROPPED
    assert tokens[:5] == ["<|im_start|>", "system", "\u010a", "Describe", "\u0120the"]
    picture = tokenizer.tokenize(f"Picture 1: <|vision_start|>{PICTURE}<|vision_end|>grass")
    assert picture[-4:] == ["<|vision_start|>", PICTURE, "<|vision_end|>", "grass"]


@settings(max_examples=30)
@given(text=st.text(st.characters(exclude_categories=["Cs", "Cn"]), max_size=60))
def test_its_tokenizer_writes_any_text_and_reads_it_back(tokenizer, text):
    ids = tokenizer(text).input_ids
    normalised = tokenizer.backend_tokenizer.normalizer.normalize_str(text)
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == normalised
