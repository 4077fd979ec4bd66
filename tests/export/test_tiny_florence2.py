"""The tiny Florence-2: complete, small, and read by transformers itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file
from transformers.models.bart.tokenization_bart import BartTokenizer
from transformers.models.florence2.modeling_florence2 import Florence2ForConditionalGeneration

from pawfect_export.tiny.florence2 import build
from pawfect_export.tiny.florence2_tokenizer import FIRST, TAGS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("florence2")
    build(folder)
    return folder


def test_the_weights_are_those_that_transformers_would_save(folder, tmp_path):
    model, report = Florence2ForConditionalGeneration.from_pretrained(
        folder, local_files_only=True, output_loading_info=True
    )
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    model.save_pretrained(tmp_path)
    weights, saved = (
        load_file(folder / "model.safetensors"),
        load_file(tmp_path / "model.safetensors"),
    )
    assert {name: (t.shape, t.dtype) for name, t in weights.items()} == {
        name: (t.shape, t.dtype) for name, t in saved.items()
    }
    assert 600_000 < sum(tensor.numel() for tensor in weights.values()) < 800_000


def test_tokens_have_the_published_order(folder):
    ids = json.loads((folder / "tokenizer.json").read_text("utf-8"))["added_tokens"]
    names = [token["content"] for token in sorted(ids, key=lambda token: token["id"])]
    assert names == [*FIRST, "<mask>", *TAGS, "<image>"]
    assert len(TAGS) == 1024
    assert [token["id"] for token in ids if token["content"] in FIRST] == [0, 1, 2, 3]
    config = json.loads((folder / "config.json").read_text("utf-8"))
    vocabulary = config["text_config"]["vocab_size"]
    assert vocabulary % 64 == 0
    assert config["image_token_id"] == max(token["id"] for token in ids) < vocabulary


@pytest.mark.parametrize(
    "text", ["What does the image describe?", "gr\u00fcn \u8349 \U0001f415\n\x00"]
)
def test_the_tokenizer_writes_any_text_and_reads_it_back(folder, text):
    tokenizer = BartTokenizer.from_pretrained(folder, local_files_only=True)
    ids = tokenizer(text)["input_ids"]
    assert (ids[0], ids[-1]) == (0, 2)
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_known_words_are_single_tokens(folder):
    tokenizer = BartTokenizer.from_pretrained(folder, local_files_only=True)
    words = ["\u0120describe", "\u0120grass", "\u0120asphalt", "\u0120image"]
    assert tokenizer.tokenize(" describe grass asphalt image") == words
