"""Prompt embeddings against Flux2KleinPipeline's own, by the encoder as transformers loads it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from diffusers.pipelines.flux2.pipeline_flux2_klein import Flux2KleinPipeline
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import Qwen2TokenizerFast, Qwen3ForCausalLM

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.klein.text import LAYERS, TextEncoder
from tests.pawfect.klein.conftest import TOKENS
from tests.refusals import refusal

PROMPTS = (
    "green grass with fallen leaves",
    "",
    "Sand, Gravel & MUD!",
    "naïve — ☃ 你好",
    "stone tiles " * 60,
    # What is written as a mark of the template is one.
    "grass<|im_end|>\n<|im_start|>user\nsand",
)
HOW = {"device": "cpu", "dtype": "float32", "tokens": TOKENS}


@pytest.fixture(scope="module", params=["float32", "float16", "bfloat16"])
def both(request, klein_folder):
    """Our encoder, and what computes the pipeline's embeddings, in one precision."""
    dtype = getattr(torch, request.param)
    where = {"local_files_only": True}
    theirs = Qwen3ForCausalLM.from_pretrained(klein_folder / "text_encoder", dtype=dtype, **where)
    tokenizer = Qwen2TokenizerFast.from_pretrained(klein_folder / "tokenizer", **where)
    ours = TextEncoder.load(klein_folder, **HOW | {"dtype": request.param})

    def by_pipeline(prompt: str) -> np.ndarray:
        with torch.no_grad():
            embeds = Flux2KleinPipeline._get_qwen3_prompt_embeds(
                theirs, tokenizer, prompt, max_sequence_length=TOKENS
            )
        return embeds[0].float().numpy()

    return ours, by_pipeline


@pytest.mark.parametrize("prompt", PROMPTS)
def test_embeddings_equal_the_pipelines_rounded_to_half(both, prompt):
    encoder, by_pipeline = both
    ours = encoder.encode(prompt)
    assert ours.embeds.dtype == np.float16
    assert ours.embeds.shape == (TOKENS, 96)
    np.testing.assert_array_equal(ours.embeds, by_pipeline(prompt).astype(np.float16))


def test_layers_above_the_last_one_taken_are_neither_there_nor_loaded(klein):
    encoder = klein.text.encoder
    assert len(encoder.layers) == LAYERS[-1] == 27
    names = {name.split(".")[0] for name, _ in encoder.named_parameters()}
    assert names == {"embed_tokens", "layers"}


def test_prompts_differ(klein):
    one, other = (klein.text.encode(prompt).embeds.astype(float) for prompt in ("grass", "sand"))
    assert np.abs(one - other).max() > 0.1


def test_tokens_over_the_limit_are_cut_and_counted(klein):
    # A letter that starts none of the pieces is a token of its own. The template takes 14: two
    # marks of each turn, two names, two ends of a thought, six line ends.
    for letters, cut in ((TOKENS - 15, 0), (TOKENS - 14, 0), (TOKENS - 13, 1), (TOKENS, 14)):
        assert klein.text.encode("Q" * letters).cut == cut
    # What is left of a text far too long is its beginning.
    long, longer = (klein.text.encode("Q" * letters) for letters in (300, 400))
    assert longer.cut == long.cut + 100
    np.testing.assert_array_equal(long.embeds, longer.embeds)


@settings(max_examples=25)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_any_text_has_finite_embeddings(klein, prompt):
    ours = klein.text.encode(prompt)
    assert np.isfinite(ours.embeds).all()
    assert ours.cut >= 0


def test_a_lone_surrogate_is_refused(klein):
    assert "Unicode" in refusal(ErrorKind.INVALID_ARG, klein.text.encode, "grass \udc80")


@pytest.mark.parametrize("tokens", [0, -1, 513])
def test_token_limits_out_of_bounds_are_refused(klein_folder, tokens):
    with pytest.raises(PawfectError, match="1 to 512"):
        TextEncoder.load(klein_folder, **HOW | {"tokens": tokens})


def test_an_embedding_that_does_not_fit_in_half_precision_is_an_error(klein_folder):
    encoder = TextEncoder.load(klein_folder, **HOW)
    encoder.encoder.layers[20].mlp.down_proj.weight.mul_(1e6)
    message = refusal(ErrorKind.INTERNAL, encoder.encode, "grass")
    assert "PROMPT_EMBEDS: expected values that fit in float16" in message


def changed(**entries):
    return lambda text: json.dumps(json.loads(text) | entries)


@pytest.mark.parametrize(
    ("name", "damage", "says"),
    [
        ("tokenizer/tokenizer.json", "[]", "expected a tokenizer"),
        ("tokenizer/tokenizer_config.json", "nonsense", "expected a tokenizer"),
        ("tokenizer/chat_template.jinja", None, "expected a chat template"),
        ("tokenizer/chat_template.jinja", "{% for %}", "expected a chat template"),
        ("text_encoder/config.json", None, "expected config.json"),
        ("text_encoder/config.json", changed(vocab_size=100), "mis-shaped: embed_tokens.weight"),
        (
            "text_encoder/config.json",
            changed(num_hidden_layers=27, layer_types=["full_attention"] * 27),
            "expected over 27 layers",
        ),
        ("text_encoder/config.json", changed(hidden_size=48), "mis-shaped"),
        (
            "text_encoder/config.json",
            changed(architectures=["LlamaForCausalLM"]),
            "expected Qwen3ForCausalLM",
        ),
        ("text_encoder/model-00001-of-00002.safetensors", None, "expected model-00001-of-00002"),
    ],
)
def test_a_damaged_encoder_is_unavailable(copied, name, damage, says):
    path = copied / name
    if damage is None:
        path.unlink()
    else:
        path.write_text(damage(path.read_text("utf-8")) if callable(damage) else damage)
    message = refusal(ErrorKind.UNAVAILABLE, TextEncoder.load, copied, **HOW)
    assert says in message
    assert str(copied.parent) not in message


def test_a_tokenizer_with_more_tokens_than_its_encoder_is_unavailable(copied):
    path = copied / "tokenizer" / "tokenizer_config.json"
    content = json.loads(path.read_text("utf-8"))
    number, last = list(content["added_tokens_decoder"].items())[-1]
    content["added_tokens_decoder"][str(int(number) + 1)] = last | {"content": "<more>"}
    path.write_text(json.dumps(content))
    message = refusal(ErrorKind.UNAVAILABLE, TextEncoder.load, copied, **HOW)
    assert "expected at most its encoder's" in message
