"""The tiny klein: the same bytes each time, read whole by diffusers and transformers themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers.pipelines.flux2.pipeline_flux2_klein import Flux2KleinPipeline
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import Qwen2TokenizerFast
from transformers.models.qwen2.tokenization_qwen2 import Qwen2Tokenizer

from pawfect_export.tiny.klein import build
from tests.export.test_tiny import contents

# As black-forest-labs/FLUX.2-klein-4B has them, but for what nothing here reads.
FILES = [
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model-00001-of-00002.safetensors",
    "text_encoder/model-00002-of-00002.safetensors",
    "text_encoder/model.safetensors.index.json",
    "tokenizer/added_tokens.json",
    "tokenizer/chat_template.jinja",
    "tokenizer/merges.txt",
    "tokenizer/special_tokens_map.json",
    "tokenizer/tokenizer.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json",
    "transformer/config.json",
    "transformer/diffusion_pytorch_model.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "klein"
    build(folder)
    return folder


@pytest.fixture(scope="module")
def tokenizer(folder) -> Qwen2TokenizerFast:
    return Qwen2TokenizerFast.from_pretrained(folder / "tokenizer", local_files_only=True)


def test_its_seed_decides_its_weights_and_nothing_else(folder, tmp_path):
    before = torch.get_rng_state()
    build(tmp_path / "again")
    build(tmp_path / "other", seed=1)
    assert torch.equal(before, torch.get_rng_state())
    first, other = contents(folder), contents(tmp_path / "other")
    assert sorted(first) == FILES
    assert sum(map(len, first.values())) < 6e6
    assert contents(tmp_path / "again") == first
    changed = {path for path in first if first[path] != other[path]}
    assert changed == {path for path in first if path.endswith(".safetensors")}


def test_diffusers_loads_it_whole(folder):
    pipeline = Flux2KleinPipeline.from_pretrained(
        folder, dtype=torch.float32, local_files_only=True, use_safetensors=True
    )
    assert pipeline.config.is_distilled
    assert not pipeline.transformer.config.guidance_embeds
    assert pipeline.vae_scale_factor == 8
    # Loaded, not freshly initialised: what transformers read are the numbers that were written.
    encoder = pipeline.text_encoder.state_dict()
    written = {
        name: tensor
        for part in sorted((folder / "text_encoder").glob("*.safetensors"))
        for name, tensor in load_file(part).items()
    }
    assert set(encoder) == {*written, "lm_head.weight"}
    assert all(torch.equal(encoder[name], tensor.float()) for name, tensor in written.items())
    statistics = pipeline.vae.bn
    assert (statistics.running_var > 0.4).all()
    assert statistics.running_mean.abs().max() > 0.1


@settings(max_examples=30)
@given(text=st.text(st.characters(exclude_categories=["Cs", "Cn"]), max_size=60))
def test_its_tokenizer_writes_any_text_and_reads_it_back(tokenizer, text):
    ids = tokenizer(text).input_ids
    normalised = tokenizer.backend_tokenizer.normalizer.normalize_str(text)
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == normalised


def test_its_chat_template_puts_a_prompt_between_qwens_marks(tokenizer):
    messages = [{"role": "user", "content": "green grass"}]
    how = {"tokenize": False, "add_generation_prompt": True}
    start = "<|im_start|>user\ngreen grass<|im_end|>\n<|im_start|>assistant\n"
    assert tokenizer.apply_chat_template(messages, **how) == start
    thoughtless = tokenizer.apply_chat_template(messages, **how, enable_thinking=False)
    assert thoughtless == start + "<think>\n\n</think>\n\n"
    tokens = tokenizer.tokenize(thoughtless)
    assert tokens[:3] == ["<|im_start|>", "user", "\u010a"]
    assert tokens[-12:-8] == ["\u0120grass", "<|im_end|>", "\u010a", "<|im_start|>"]
    assert [tokens[-6], tokens[-3]] == ["<think>", "</think>"]


def test_its_tokenizers_files_say_the_same(folder, tokenizer):
    parts = folder / "tokenizer"
    vocabulary = json.loads((parts / "vocab.json").read_text("utf-8"))
    added = json.loads((parts / "added_tokens.json").read_text("utf-8"))
    assert tokenizer.get_vocab() == vocabulary | added
    assert sorted((vocabulary | added).values()) == list(range(len(tokenizer)))
    by_parts = Qwen2Tokenizer(vocab=str(parts / "vocab.json"), merges=str(parts / "merges.txt"))
    for text in ("green grass with fallen leaves", "Zebra-striped quilt, 100% (new)!"):
        assert by_parts(text).input_ids == tokenizer(text).input_ids
    assert tokenizer.tokenize(" grass with fallen leaves") == [
        "\u0120grass",
        "\u0120with",
        "\u0120fallen",
        "\u0120leaves",
    ]
