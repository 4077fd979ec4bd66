"""Florence-2 against transformers' own: inputs, tokens, words, limits, damaged weights."""

from __future__ import annotations

import itertools
import json
import pickle
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers.models.florence2.modeling_florence2 import Florence2ForConditionalGeneration
from transformers.models.florence2.processing_florence2 import Florence2Processor

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.scene import florence2
from pawfect.scene.florence2 import TASKS, Captioner
from pawfect.scene.florence2_view import neutralised

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


@pytest.mark.parametrize("task", TASKS)
def test_prompts_are_the_published_processor_s_tokens(captioner, published, task):
    inputs = published[1](text=task, images=picture(0), return_tensors="pt")
    assert captioner._prompts[task] == inputs["input_ids"][0].tolist()


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


@settings(max_examples=12)
@given(st.integers(0, 2**32 - 1))
def test_pet_and_hole_make_no_difference(captioner, seed):
    noise = np.random.default_rng(seed).integers(0, 256, (120, 150, 3), dtype=np.uint8)
    changed = np.where((RING > 0)[..., None], picture(0), noise)
    expected = captioner.caption(picture(0), RING, "<CAPTION>")
    assert captioner.caption(changed, RING, "<CAPTION>") == expected


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
    with pytest.raises(PawfectError) as caught:
        captioner.caption(picture(0), RING, task)
    assert caught.value.kind is ErrorKind.INVALID_ARG
    expected = "TASK: expected one of <CAPTION>, <DETAILED_CAPTION>, <MORE_DETAILED_CAPTION>, <OCR>"
    assert caught.value.message.startswith(f"{expected}, got ")
    assert len(caught.value.message) < 200


def test_an_empty_ring_is_refused(captioner):
    with pytest.raises(PawfectError, match="RING: expected some pixels") as caught:
        captioner.caption(picture(0), np.zeros_like(RING), "<CAPTION>")
    assert caught.value.kind is ErrorKind.INVALID_ARG


def fake_clock(monkeypatch: pytest.MonkeyPatch) -> itertools.count:
    """Let a second pass at each look at the clock; returns the clock."""
    clock = itertools.count()
    monkeypatch.setattr(florence2, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    return clock


def test_a_caption_that_takes_longer_than_its_time_ends_with_deadline(captioner, monkeypatch):
    clock = fake_clock(monkeypatch)
    with pytest.raises(PawfectError, match="caption: expected within 4 s") as caught:
        captioner.caption(picture(0), RING, "<CAPTION>", time_limit_s=4)
    assert caught.value.kind is ErrorKind.DEADLINE
    # Looked at once to set it, once before the model starts and after each of three tokens.
    assert next(clock) == 5


@pytest.mark.parametrize("limit", [0, -1, float("nan")])
def test_without_time_the_model_is_not_started(captioner, monkeypatch, limit):
    monkeypatch.setattr(captioner._model, "generate", lambda **_: pytest.fail("started"))
    with pytest.raises(PawfectError) as caught:
        captioner.caption(picture(0), RING, "<CAPTION>", time_limit_s=limit)
    assert caught.value.kind is ErrorKind.DEADLINE


def test_a_caption_within_its_time_is_the_same_as_without_a_limit(captioner, monkeypatch):
    fake_clock(monkeypatch)
    limited = captioner.caption(picture(0), RING, "<CAPTION>", time_limit_s=1e6)
    assert limited == captioner.caption(picture(0), RING, "<CAPTION>")


def test_a_caption_after_one_cut_short_is_whole(captioner, monkeypatch):
    whole = captioner.caption(picture(0), RING, "<CAPTION>")
    with monkeypatch.context() as patch:
        fake_clock(patch)
        with pytest.raises(PawfectError):
            captioner.caption(picture(1), RING, "<CAPTION>", time_limit_s=3)
    assert captioner.caption(picture(0), RING, "<CAPTION>") == whole


# florence-community/Florence-2-base, revision 00921df: the sizes of its config.json, and of its
# model.safetensors in bytes (the weights manifest's).
BASE_SIZES = {
    "vision_config": {
        "depths": [1, 1, 9, 1],
        "embed_dim": [128, 256, 512, 1024],
        "num_groups": [4, 8, 16, 32],
        "num_heads": [4, 8, 16, 32],
        "projection_dim": 768,
        "window_size": 12,
    },
    "text_config": {
        "d_model": 768,
        "decoder_attention_heads": 12,
        "decoder_ffn_dim": 3072,
        "decoder_layers": 6,
        "encoder_attention_heads": 12,
        "encoder_ffn_dim": 3072,
        "encoder_layers": 6,
        "max_position_embeddings": 1024,
        "model_type": "bart",
        "vocab_size": 51328,
    },
    "image_token_id": 51289,
}
BASE_BYTES = 463_178_864


def test_the_full_size_model_has_the_published_file_s_size_to_the_byte(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(BASE_SIZES), "utf-8")
    config, model = florence2.build_module(tmp_path)
    assert florence2._image_tokens(config, SimpleNamespace(height=768, width=768)) == 577
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    # In float16 and safetensors' order, tied weights once.
    for name, tensor in sorted([*model.named_parameters(), *model.named_buffers()]):
        start, end = end, end + 2 * tensor.numel()
        shape = list(tensor.shape)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [start, end]}
    text = len(json.dumps(header, separators=(",", ":")))
    assert 8 + -(-text // 8) * 8 + end == BASE_BYTES


@pytest.fixture
def damaged(florence2_folder, tmp_path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(florence2_folder, tmp_path / "tiny-florence2"))


def refused(folder: Path) -> str:
    with pytest.raises(PawfectError) as caught:
        Captioner.load(folder, device="cpu", dtype="float32", max_tokens=8)
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    assert str(folder) not in caught.value.message
    return caught.value.message


def test_missing_extra_and_mis_shaped_weights_are_named(damaged):
    path = damaged / "model.safetensors"
    weights = load_file(path)
    name = "model.multi_modal_projector.image_projection.weight"
    without = {key: value for key, value in weights.items() if key != name}
    save_file(without, path)
    assert f"1 missing: {name}" in refused(damaged)
    save_file(weights | {"spare": torch.zeros(1)}, path)
    assert "1 extra: spare" in refused(damaged)
    save_file(weights | {name: torch.zeros(2, 3)}, path)
    assert f"1 mis-shaped: {name} [2, 3] for [64, 64]" in refused(damaged)


def test_a_pickle_is_refused_unread(damaged):
    (damaged / "model.safetensors").write_bytes(pickle.dumps({"weight": 1}))
    assert "got a pickle" in refused(damaged)


@pytest.mark.parametrize(
    "name",
    [
        *("config.json", "generation_config.json", "preprocessor_config.json", "tokenizer.json"),
        "model.safetensors",
    ],
)
@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"\xff\xfe"])
def test_a_missing_or_damaged_file_is_named(damaged, name, content):
    (damaged / name).unlink()
    if content is not None:
        (damaged / name).write_bytes(content)
    assert name in refused(damaged)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("config.json", {"vision_config": {"embed_dim": [16]}}),
        ("config.json", {"vision_config": {"depths": "many"}}),
        ("config.json", {"text_config": 3}),
        ("preprocessor_config.json", {"size": {"shortest_edge": 96}}),
        ("preprocessor_config.json", {"image_mean": "grey"}),
        ("preprocessor_config.json", {"image_seq_length": None}),
    ],
)
def test_a_configuration_that_is_not_florence_2_s_is_named(damaged, name, change):
    content = json.loads((damaged / name).read_text("utf-8"))
    (damaged / name).write_text(json.dumps(content | change), "utf-8")
    assert f"{name}: expected Florence-2's" in refused(damaged)


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        (
            "preprocessor_config.json",
            {"image_seq_length": 577},
            "expected 10 image tokens for 96x96",
        ),
        ("preprocessor_config.json", {"size": {"height": 128, "width": 96}}, "expected 13 image"),
        ("config.json", {"image_token_id": 7}, "expected <image> as token 7, got 1460"),
    ],
)
def test_files_that_do_not_fit_together_are_refused(damaged, name, change, expected):
    content = json.loads((damaged / name).read_text("utf-8"))
    (damaged / name).write_text(json.dumps(content | change), "utf-8")
    assert expected in refused(damaged)
