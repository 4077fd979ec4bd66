"""Florence-2 against transformers' own: inputs, tokens, words, limits, damaged weights."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.florence2.modeling_florence2 import Florence2ForConditionalGeneration
from transformers.models.florence2.processing_florence2 import Florence2Processor

from pawfect.contract.errors import ErrorKind
from pawfect.scene import florence2
from pawfect.scene.florence2 import TASKS, Captioner
from pawfect.scene.florence2_view import neutralised
from tests.refusals import refusal

RING = np.zeros((120, 150), np.uint8)
RING[20:100, 30:130] = 255
RING[45:75, 60:100] = 0


def picture(seed: int, height: int = 120, width: int = 150) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture(scope="module")
def published(florence2_folder):
    """Transformers' own reading of the same folder: its model and its processor."""
    model = Florence2ForConditionalGeneration.from_pretrained(
        florence2_folder, dtype=torch.float32, local_files_only=True
    )
    return model.eval(), Florence2Processor.from_pretrained(florence2_folder, local_files_only=True)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_captions_equal_those_of_transformers_own_model_and_processor(
    captioner, published, task, seed
):
    model, processor = published
    image = picture(seed)
    inputs = processor(text=task, images=neutralised(image, RING), return_tensors="pt")
    tokens = model.generate(**inputs, num_beams=3, do_sample=False, max_new_tokens=24)
    expected = processor.batch_decode(tokens, skip_special_tokens=True)[0].strip()
    assert captioner.caption(image, RING, task) == expected
    assert captioner._prompts[task] == inputs["input_ids"][0].tolist()


def test_the_captions_tested_are_not_all_the_same(captioner):
    captions = {captioner.caption(picture(seed), RING, task) for seed in range(3) for task in TASKS}
    assert len(captions) > 6


def test_tasks_are_the_published_ones_that_answer_in_plain_words(published):
    processor = published[1]
    kinds = processor.tasks_answer_post_processing_type
    assert dict(TASKS) == {
        task: prompt
        for task, prompt in processor.task_prompts_without_inputs.items()
        if kinds[task] == "pure_text"
    }


@pytest.mark.parametrize("size", [(96, 96), (5, 2), (37, 211), (700, 50), (95, 97)])
def test_pixels_equal_the_published_image_processor_s(captioner, published, size):
    image = picture(3, *size)
    expected = published[1].image_processor(image, return_tensors="pt")["pixel_values"]
    prepared = captioner._pixels.prepared(image)
    assert prepared.shape == expected.shape == (1, 3, 96, 96)
    torch.testing.assert_close(prepared, expected, rtol=0, atol=1e-6)


def test_logits_equal_transformers_own_forward(captioner, published):
    inputs = published[1](text="<CAPTION>", images=picture(4), return_tensors="pt")
    start = torch.tensor([[2, 0, 5]])
    with torch.inference_mode():
        expected = published[0](**inputs, decoder_input_ids=start).logits
        got = captioner._model(**inputs, decoder_input_ids=start).logits
    torch.testing.assert_close(got, expected, rtol=0, atol=0)


def test_the_same_picture_has_the_same_caption_every_time(captioner, florence2_folder):
    again = Captioner.load(florence2_folder, device="cpu", dtype="float32", max_tokens=24)
    first = captioner.caption(picture(5), RING, "<DETAILED_CAPTION>")
    torch.manual_seed(1)
    assert captioner.caption(picture(5), RING, "<DETAILED_CAPTION>") == first
    assert again.caption(picture(5), RING, "<DETAILED_CAPTION>") == first


@pytest.mark.parametrize("limit", [1, 2, 7])
def test_a_caption_is_no_longer_than_it_may_be(florence2_folder, limit):
    short = Captioner.load(florence2_folder, device="cpu", dtype="float32", max_tokens=limit)
    words = short.caption(picture(0), RING, "<MORE_DETAILED_CAPTION>")
    assert len(short._tokenizer.encode(words, add_special_tokens=False).ids) <= limit


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_gives_words_too(florence2_folder, dtype):
    half = Captioner.load(florence2_folder, device="cpu", dtype=dtype, max_tokens=8)
    assert {p.dtype for p in half._model.parameters()} == {getattr(torch, dtype)}
    assert isinstance(half.caption(picture(0), RING, "<CAPTION>"), str)


@pytest.mark.parametrize(
    "task", ["", "CAPTION", "<caption>", "<OD>", "<CAPTION> a cat", "x" * 9999]
)
def test_an_unknown_task_is_answered_with_the_known_ones(captioner, task):
    message = refusal(ErrorKind.INVALID_ARG, captioner.caption, picture(0), RING, task)
    expected = "TASK: expected one of <CAPTION>, <DETAILED_CAPTION>, <MORE_DETAILED_CAPTION>, <OCR>"
    assert message.startswith(f"{expected}, got ")
    assert len(message) < 200


def fake_clock(monkeypatch: pytest.MonkeyPatch) -> itertools.count:
    """Let a second pass at each look at the clock; returns the clock."""
    clock = itertools.count()
    monkeypatch.setattr(florence2, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    return clock


def test_a_caption_that_takes_longer_than_its_time_ends_with_deadline(captioner, monkeypatch):
    clock = fake_clock(monkeypatch)
    given = (picture(0), RING, "<CAPTION>")
    message = refusal(ErrorKind.DEADLINE, captioner.caption, *given, time_limit_s=4)
    assert "caption: expected within 4 s" in message
    # Looked at once to set it, once before the model starts and after each of three tokens.
    assert next(clock) == 5


@pytest.mark.parametrize("limit", [0, -1, float("nan")])
def test_without_time_the_model_is_not_started(captioner, monkeypatch, limit):
    monkeypatch.setattr(captioner._model, "generate", lambda **_: pytest.fail("started"))
    given = (picture(0), RING, "<CAPTION>")
    refusal(ErrorKind.DEADLINE, captioner.caption, *given, time_limit_s=limit)


def test_a_caption_within_its_time_or_after_one_cut_short_is_whole(captioner, monkeypatch):
    whole = captioner.caption(picture(0), RING, "<CAPTION>")
    with monkeypatch.context() as patch:
        fake_clock(patch)
        assert captioner.caption(picture(0), RING, "<CAPTION>", time_limit_s=1e6) == whole
        given = (picture(1), RING, "<CAPTION>")
        refusal(ErrorKind.DEADLINE, captioner.caption, *given, time_limit_s=3)
    assert captioner.caption(picture(0), RING, "<CAPTION>") == whole


@pytest.fixture
def damaged(florence2_folder, tmp_path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(florence2_folder, tmp_path / "tiny-florence2"))


def refused(folder: Path) -> str:
    how = {"device": "cpu", "dtype": "float32", "max_tokens": 8}
    message = refusal(ErrorKind.UNAVAILABLE, Captioner.load, folder, **how)
    assert str(folder) not in message
    return message


@pytest.mark.parametrize(
    "name",
    [
        *("config.json", "generation_config.json", "preprocessor_config.json", "tokenizer.json"),
        "model.safetensors",
    ],
)
def test_a_missing_or_damaged_file_is_named(damaged, name):
    (damaged / name).unlink()
    assert name in refused(damaged)
    for content in (b"", b"{", b"[]", b"\xff\xfe"):
        (damaged / name).write_bytes(content)
        assert name in refused(damaged)


CONFIG, PIXELS = "config.json", "preprocessor_config.json"
FLORENCES = ": expected Florence-2's"


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        (CONFIG, {"vision_config": {"embed_dim": [16]}}, CONFIG + FLORENCES),
        (CONFIG, {"vision_config": {"depths": "many"}}, CONFIG + FLORENCES),
        (CONFIG, {"text_config": 3}, CONFIG + FLORENCES),
        (PIXELS, {"size": {"shortest_edge": 96}}, PIXELS + FLORENCES),
        (PIXELS, {"image_mean": "grey"}, PIXELS + FLORENCES),
        (PIXELS, {"image_seq_length": None}, PIXELS + FLORENCES),
        (PIXELS, {"image_seq_length": 577}, "expected 10 image tokens for 96x96"),
        (PIXELS, {"size": {"height": 128, "width": 96}}, "expected 13 image"),
        (CONFIG, {"image_token_id": 7}, "expected <image> as token 7, got 1460"),
    ],
)
def test_files_that_are_not_florence_2_s_or_do_not_fit_together_are_refused(
    damaged, name, change, expected
):
    content = json.loads((damaged / name).read_text("utf-8"))
    (damaged / name).write_text(json.dumps(content | change), "utf-8")
    assert expected in refused(damaged)
