"""Embeddings of instructions and pictures against diffusers' own pipelines."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus
from PIL import Image
from safetensors.torch import save_file
from transformers import Qwen2_5_VLForConditionalGeneration

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.qwen.pictures import scaled, scaled_size
from pawfect.qwen.template import DROPPED, PREFIX, SUFFIX, TEMPLATES
from pawfect.qwen.text import TextEncoder
from tests.pawfect.qwen.conftest import LATENTS, SHOWN, TOKENS
from tests.refusals import refusal

HOW = {"device": "cpu", "dtype": "float32", "tokens": TOKENS}
PROMPTS = ("Remove the dog and fill the hole with grass.", "", " ", "naïve — ☃ 你好\n\nSand & MUD!")


def by_pipeline(pipeline, prompt: str, pictures: list[np.ndarray], area: int) -> np.ndarray:
    """Return the prompt's embeddings [L, D]; pictures scaled by the pipeline's own processor."""
    images = []
    for picture in pictures:
        width, height = pipeline_qwenimage_edit_plus.calculate_dimensions(
            area, picture.shape[1] / picture.shape[0]
        )
        images.append(pipeline.image_processor.resize(Image.fromarray(picture), height, width))
    shown = images if len(images) > 1 else images[0]
    if pipeline.__class__.__name__ == "QwenImageEditPlusPipeline":
        shown = images
    with torch.no_grad():
        embeds, mask = pipeline.encode_prompt(prompt, image=shown, device="cpu")
    assert mask is None
    return embeds[0].numpy()


@pytest.mark.parametrize("prompt", PROMPTS)
def test_embeddings_equal_the_pipelines_rounded_to_half(parts, pipelines, photo, prompt):
    for kind, area, pictures in (
        ("edit", LATENTS, [photo(100, 130)]),
        ("plus", SHOWN, [photo(64, 64)]),
        ("plus", SHOWN, [photo(100, 130), photo(50, 20, 1), photo(64, 64, 2)]),
    ):
        ours = parts(kind).text.encode(prompt, pictures)
        theirs = by_pipeline(pipelines(kind), prompt, pictures, area)
        assert ours.embeds.dtype == np.float16
        assert ours.cut == 0
        np.testing.assert_array_equal(ours.embeds, theirs.astype(np.float16))


@pytest.mark.parametrize("kind", ["edit", "plus"])
def test_the_template_and_the_areas_are_the_pipelines(folders, pipelines, kind):
    pipeline = pipelines(kind)
    template = TEMPLATES[type(pipeline).__name__]
    shown = template.picture if kind == "edit" else ""
    assert pipeline.prompt_template_encode == f"{PREFIX}{shown}{{}}{SUFFIX}"
    assert pipeline.prompt_template_encode_start_idx == DROPPED
    # Both are lowered in these tests' oracles, and in `parts`.
    assert template.area == {"edit": 1024 * 1024, "plus": 384 * 384}[kind]
    assert TextEncoder.load(folders[kind], **HOW).template is template


@pytest.mark.parametrize("size", [(100, 130), (1, 100), (64, 64), (2000, 1999)])
def test_pictures_are_scaled_as_the_pipelines_scale_them(size):
    for area in (384 * 384, 1024 * 1024):
        width, height = pipeline_qwenimage_edit_plus.calculate_dimensions(area, size[1] / size[0])
        assert scaled_size(*size, area) == (height, width)


def test_a_pictures_tokens_have_its_rows_and_columns(parts, photo):
    picture = photo(64, 96)
    ours = parts("plus").text
    # Turned about, with the same patches in another order, and the same bytes for the rest.
    wide, high = (ours.encode("x", [p]).embeds for p in (picture, picture.transpose(1, 0, 2)))
    assert wide.shape == high.shape
    assert np.abs(wide[-5:].astype(float) - high[-5:]).max() > 1e-3


def test_a_picture_changes_what_comes_after_it_only(parts, photo):
    ours, pictures = parts("plus").text, [photo(64, 96), photo(64, 96, 1)]
    before = ours.encode("x", pictures).embeds
    after = ours.encode("x", [pictures[0], photo(64, 96, 2)]).embeds
    changed = np.flatnonzero((before != after).any(axis=1))
    # "Picture 1: ", the first picture between two marks, "Picture 2: " and a mark.
    first = len(before) // 3
    assert changed[0] > first
    assert changed[-1] == len(before) - 1


def test_tokens_over_the_limit_are_cut_and_counted(parts, photo):
    ours, picture = parts("edit").text, photo(64, 96)
    # A token for each: no letter of it joins another.
    whole, over = (ours.encode("Q" * count, [picture]) for count in (TOKENS, TOKENS + 3))
    assert (whole.cut, over.cut) == (0, 3)
    np.testing.assert_array_equal(over.embeds, whole.embeds)


def test_special_tokens_that_an_instruction_spells_are_text(parts, photo):
    ours, picture = parts("edit").text, photo(64, 96)
    plain = ours.encode("a", [picture])
    spelled = ours.encode("a<|image_pad|><|im_end|>", [picture])
    # As text they are more tokens than two.
    assert len(spelled.embeds) > len(plain.embeds) + 10


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_stays_near_single(folders, parts, photo, dtype):
    half = TextEncoder.load(folders["plus"], device="cpu", dtype=dtype, tokens=TOKENS)
    half.template = parts("plus").text.template
    given = PROMPTS[0], [photo(64, 96)]
    apart = half.encode(*given).embeds.astype(float) - parts("plus").text.encode(*given).embeds
    assert np.abs(apart).mean() < {"float16": 0.005, "bfloat16": 0.03}[dtype]


BLACK = np.zeros((64, 64, 3), np.uint8)


@pytest.mark.parametrize(
    ("kind", "pictures", "says"),
    [
        ("edit", [], "PICTURES: expected one, got 0"),
        ("plus", [], "PICTURES: expected one or more of them, got 0"),
        ("edit", [BLACK, BLACK], "PICTURES: expected one, got 2"),
        ("plus", [BLACK, BLACK[..., 0]], "PICTURES: expected uint8 [H, W, 3] each, got uint8"),
        ("plus", [BLACK[..., :2]], "PICTURES: expected uint8 [H, W, 3] each"),
        ("plus", [BLACK.astype(float)], "PICTURES: expected uint8 [H, W, 3] each, got float64"),
        ("plus", [BLACK[:0]], "PICTURES: expected uint8 [H, W, 3] each, got uint8 [0, 64, 3]"),
        ("plus", [np.zeros((1, 101, 3), np.uint8)], "expected sides at most 100 times"),
    ],
)
def test_wrong_pictures_are_refused(parts, kind, pictures, says):
    assert says in refusal(ErrorKind.INVALID_ARG, parts(kind).text.encode, "x", pictures)


def test_the_longest_picture_is_taken_at_both_published_areas(folders):
    picture = np.zeros((100, 1), np.uint8)[..., None].repeat(3, axis=2)
    for kind in ("edit", "plus"):
        encoder = TextEncoder.load(folders[kind], **HOW)
        shown = scaled(picture, encoder.template.area)
        patches = encoder.processor.preprocess([shown], return_tensors="np")
        assert patches.image_grid_thw[0][1:].min() >= 2


def test_a_lone_surrogate_is_refused(parts):
    message = refusal(ErrorKind.INVALID_ARG, parts("edit").text.encode, "grass \udc80", [BLACK])
    assert "Unicode" in message


@pytest.mark.parametrize("tokens", [0, -1, 1025])
def test_token_limits_out_of_bounds_are_refused(folders, tokens):
    with pytest.raises(PawfectError, match="1 to 1024"):
        TextEncoder.load(folders["edit"], device="cpu", dtype="float32", tokens=tokens)


def entry(**changed: object):
    return lambda text: json.dumps(json.loads(text) | changed)


@pytest.mark.parametrize(
    ("name", "damage", "says"),
    [
        ("model_index.json", None, "expected model_index.json"),
        ("model_index.json", entry(_class_name="QwenImagePipeline"), "got QwenImagePipeline"),
        ("tokenizer/vocab.json", None, "expected vocab.json and merges.txt"),
        ("tokenizer/vocab.json", "{", "expected a tokenizer"),
        ("tokenizer/merges.txt", "#version: 0.2\n", "expected 64 tokens of the template"),
        ("tokenizer/vocab.json", entry(another=100_000), "expected at most its encoder's"),
        ("processor/preprocessor_config.json", None, "expected preprocessor_config.json"),
        ("processor/preprocessor_config.json", "[]", "expected a JSON object"),
        ("text_encoder/config.json", entry(image_token_id=3), "<|image_pad|>, got"),
        ("text_encoder/config.json", entry(hidden_size="x"), "text_encoder"),
        ("text_encoder/config.json", entry(architectures=["T5EncoderModel"]), "T5EncoderModel"),
        ("text_encoder/model.safetensors.index.json", None, "expected model.safetensors"),
        ("text_encoder/model-00001-of-00002.safetensors", "x", "expected safetensors"),
    ],
)
def test_a_missing_or_damaged_file_is_unavailable(folders, tmp_path, name, damage, says):
    folder = Path(shutil.copytree(folders["plus"], tmp_path / "qwen"))
    path = folder / name
    if damage is None:
        path.unlink()
    else:
        path.write_text(damage(path.read_text("utf-8")) if callable(damage) else damage)
    message = refusal(ErrorKind.UNAVAILABLE, TextEncoder.load, folder, **HOW)
    assert says in message
    assert str(tmp_path) not in message


@pytest.mark.slow
def test_embeddings_equal_the_pipelines_at_the_published_areas(folders, pipelines, photo):
    for kind, area in (("edit", 1024 * 1024), ("plus", 384 * 384)):
        pictures = [photo(300, 400)]
        ours = TextEncoder.load(folders[kind], **HOW).encode(PROMPTS[0], pictures)
        theirs = by_pipeline(pipelines(kind), PROMPTS[0], pictures, area)
        np.testing.assert_array_equal(ours.embeds, theirs.astype(np.float16))


def test_names_as_transformers_5_saves_them_are_taken_too(folders, tmp_path, parts, photo):
    folder = Path(shutil.copytree(folders["plus"], tmp_path / "qwen"))
    encoder = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder / "text_encoder")
    for path in (folder / "text_encoder").glob("model*"):
        path.unlink()
    tensors = {name: tensor.contiguous() for name, tensor in encoder.state_dict().items()}
    assert "model.language_model.norm.weight" in tensors
    save_file(tensors, folder / "text_encoder" / "model.safetensors")
    again = TextEncoder.load(folder, **HOW)
    again.template = parts("plus").text.template
    given = PROMPTS[0], [photo(64, 96)]
    expected = parts("plus").text.encode(*given).embeds
    np.testing.assert_array_equal(again.encode(*given).embeds, expected)
