"""Prompt embeddings against the encoders as transformers itself loads and runs them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import CLIPTextModel, CLIPTokenizer, T5EncoderModel, T5Tokenizer

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.flux.text import TextEncoder
from tests.pawfect.flux.conftest import TOKENS
from tests.refusals import refusal

PROMPTS = (
    "green grass with fallen leaves",
    "",
    "Sand, Gravel & MUD!",
    "naïve — ☃ 你好",
    "stone tiles " * 60,
)


def by_transformers(folder, prompt: str, dtype: torch.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Return T5's states [TOKENS, D] and CLIP's pooled state [P]."""
    where = {"local_files_only": True}
    t5 = T5EncoderModel.from_pretrained(folder / "text_encoder_2", dtype=dtype, **where)
    clip = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=dtype, **where)
    settings = {"padding": "max_length", "truncation": True, "return_tensors": "pt"}
    t5_ids = T5Tokenizer.from_pretrained(folder / "tokenizer_2", **where)(
        prompt, max_length=TOKENS, **settings
    )
    clip_ids = CLIPTokenizer.from_pretrained(folder / "tokenizer", **where)(
        prompt, max_length=77, **settings
    )
    with torch.no_grad():
        return (
            t5(t5_ids.input_ids).last_hidden_state[0].float().numpy(),
            clip(clip_ids.input_ids).pooler_output[0].float().numpy(),
        )


@pytest.mark.parametrize("prompt", PROMPTS)
def test_embeddings_equal_transformers_rounded_to_half(parts, flux_folder, prompt):
    embeds, pooled = by_transformers(flux_folder, prompt, torch.float32)
    ours = parts.text.encode(prompt)
    assert ours.embeds.dtype == ours.pooled.dtype == np.float16
    assert ours.embeds.shape == (TOKENS, 64)
    assert ours.pooled.shape == (32,)
    np.testing.assert_array_equal(ours.embeds, embeds.astype(np.float16))
    np.testing.assert_array_equal(ours.pooled, pooled.astype(np.float16))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_equals_transformers_in_the_same(flux_folder, dtype):
    encoder = TextEncoder.load(flux_folder, device="cpu", dtype=dtype, tokens=TOKENS)
    embeds, pooled = by_transformers(flux_folder, PROMPTS[0], getattr(torch, dtype))
    ours = encoder.encode(PROMPTS[0])
    np.testing.assert_array_equal(ours.embeds, embeds.astype(np.float16))
    np.testing.assert_array_equal(ours.pooled, pooled.astype(np.float16))


def test_in_half_precision_t5_keeps_wo_whole_and_nothing_else(flux_folder):
    encoder = TextEncoder.load(flux_folder, device="cpu", dtype="float16", tokens=TOKENS)
    whole = {
        name.rsplit(".", 2)[1]
        for name, weight in encoder.t5.named_parameters()
        if weight.dtype == torch.float32
    }
    assert whole == {"wo"}
    assert {weight.dtype for weight in encoder.clip.parameters()} == {torch.float16}


def test_prompts_differ_in_both_embeddings(parts):
    one, other = (parts.text.encode(prompt) for prompt in ("grass", "sand"))
    assert np.abs(one.embeds.astype(float) - other.embeds).max() > 0.1
    assert np.abs(one.pooled.astype(float) - other.pooled).max() > 0.1


@pytest.mark.parametrize(("characters", "cut"), [(60, 0), (62, 0), (63, 1), (400, 338)])
def test_tokens_over_the_limit_are_cut_and_counted(parts, characters, cut):
    # One word of a letter that starts none of the pieces: a token per letter, one for the word's
    # start, one for the end of the text.
    prompt = "Q" * characters
    ours = parts.text.encode(prompt)
    assert ours.cut == cut
    assert ours.embeds.shape == (TOKENS, 64)
    shortest = parts.text.encode("Q" * min(characters, 62))
    np.testing.assert_array_equal(ours.embeds, shortest.embeds)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_any_text_has_finite_embeddings(parts, prompt):
    ours = parts.text.encode(prompt)
    assert np.isfinite(ours.embeds).all()
    assert np.isfinite(ours.pooled).all()
    assert ours.cut >= 0


def test_a_lone_surrogate_is_refused(parts):
    assert "Unicode" in refusal(ErrorKind.INVALID_ARG, parts.text.encode, "grass \udc80")


@pytest.mark.parametrize("tokens", [0, -1, 513])
def test_token_limits_out_of_bounds_are_refused(flux_folder, tokens):
    with pytest.raises(PawfectError, match="1 to 512"):
        TextEncoder.load(flux_folder, device="cpu", dtype="float32", tokens=tokens)


def one_more_token(text: str) -> str:
    return json.dumps(json.loads(text) | {"another": 100_000})


@pytest.mark.parametrize(
    ("name", "damage", "says"),
    [
        ("tokenizer/vocab.json", one_more_token, "expected at most its encoder's"),
        ("tokenizer/vocab.json", None, "expected vocab.json and merges.txt"),
        ("tokenizer/merges.txt", None, "expected vocab.json and merges.txt"),
        ("tokenizer/vocab.json", "{", "expected a tokenizer"),
        ("tokenizer_2/tokenizer.json", "[]", "expected a tokenizer"),
        ("tokenizer_2/tokenizer_config.json", "nonsense", "expected a tokenizer"),
    ],
)
def test_a_damaged_tokenizer_is_unavailable(flux_folder, tmp_path, name, damage, says):
    folder = Path(shutil.copytree(flux_folder, tmp_path / "flux"))
    path = folder / name
    if damage is None:
        path.unlink()
    else:
        path.write_text(damage(path.read_text("utf-8")) if callable(damage) else damage)
    how = {"device": "cpu", "dtype": "float32", "tokens": TOKENS}
    message = refusal(ErrorKind.UNAVAILABLE, TextEncoder.load, folder, **how)
    assert says in message
    assert str(tmp_path) not in message
