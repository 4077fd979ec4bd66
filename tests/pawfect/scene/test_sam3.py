"""SAM3's labels against transformers' own forward pass and a count by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from transformers.models.clip.modeling_clip import CLIPTextModelWithProjection
from transformers.models.clip.tokenization_clip import CLIPTokenizer
from transformers.models.sam3.modeling_sam3 import (
    Sam3DetrEncoder,
    Sam3GeometryEncoder,
    Sam3Model,
    Sam3VisionModel,
)

from pawfect.contract.errors import ErrorKind
from pawfect.scene.lexicon import Surface
from pawfect.scene.sam3 import PHRASES_AT_ONCE, SurfaceLabeller
from pawfect.scene.sam3_answers import Labels
from pawfect.scene.sam3_network import Sam3
from pawfect.scene.sam3_view import Processing, pixel_values
from tests.refusals import refusal

VOCABULARY = (
    Surface("grass", ("grass", "lawn")),
    Surface("fallen leaves", ("fallen leaves", "dry leaves")),
    Surface("tile", ("tile floor",)),
    Surface("stone", ("rock", "stone paving")),
    Surface("artificial turf", ("artificial turf",)),
)
PHRASES = [phrase for surface in VOCABULARY for phrase in surface.phrases]
PROCESSING = Processing(224, (0.5,) * 3, (0.5,) * 3, 1 / 255)


def load(
    folder: Path, *, dtype: str = "float32", phrases_at_once: int = PHRASES_AT_ONCE
) -> SurfaceLabeller:
    network = Sam3.load(folder, device="cpu", dtype=dtype)
    return SurfaceLabeller(network, VOCABULARY, phrases_at_once)


@pytest.fixture(scope="module")
def labeller(checkpoint: Path) -> SurfaceLabeller:
    return load(checkpoint)


@pytest.fixture(scope="module")
def published(checkpoint: Path) -> Any:
    """The model as transformers itself loads it from the same folder."""
    model, info = Sam3Model.from_pretrained(
        checkpoint, local_files_only=True, output_loading_info=True
    )
    assert not info["missing_keys"]
    return model.eval()


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """UINT8 [300, 400, 3]: smooth patches of colour and some noise."""
    rng = np.random.default_rng(7)
    patches = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    smooth = cv2.resize(patches, (400, 300), interpolation=cv2.INTER_CUBIC)
    return (smooth + rng.normal(0, 12, smooth.shape)).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def ring() -> np.ndarray:
    """UINT8 [300, 400]: a band around a hole, which makes the whole photo the view."""
    ring = np.zeros((300, 400), np.uint8)
    ring[60:260, 80:330] = 255
    ring[110:210, 130:280] = 0
    return ring


def same(first: Labels, second: Labels) -> bool:
    return (
        first.names == second.names
        and first.scores.tobytes() == second.scores.tobytes()
        and first.coverage.tobytes() == second.coverage.tobytes()
    )


class Calls:
    """Counts the forward passes of a class."""

    def __init__(self, patch: pytest.MonkeyPatch, owner: type[Any]) -> None:
        self.batches: list[int] = []
        forward: Callable[..., Any] = owner.forward

        def counted(module: Any, *args: Any, **kwargs: Any) -> Any:
            given = next(value for value in (*args, *kwargs.values()) if value is not None)
            self.batches.append(len(given[0] if isinstance(given, list) else given))
            return forward(module, *args, **kwargs)

        patch.setattr(owner, "forward", counted)


# --- the network --------------------------------------------------------------------------------
def test_answers_are_transformers_own_phrase_by_phrase(labeller, published, checkpoint, image):
    pixels = pixel_values(image, PROCESSING)
    answers = labeller.answers(pixels)
    tokenizer = CLIPTokenizer.from_pretrained(checkpoint, local_files_only=True)
    for index, phrase in enumerate(PHRASES):
        text = tokenizer(phrase, return_tensors="pt", padding="max_length", max_length=32)
        with torch.no_grad():
            expected = published(pixel_values=pixels, **text)
        torch.testing.assert_close(
            answers.presence_logits[index], expected.presence_logits[0, 0], rtol=1e-4, atol=1e-5
        )
        torch.testing.assert_close(
            answers.semantic_seg[index], expected.semantic_seg[0, 0], rtol=1e-4, atol=1e-4
        )
    # The comparison means something only where phrases are answered differently.
    assert answers.presence_logits.std() > 0.01
    assert answers.semantic_seg.std(dim=0).mean() > 0.01


@pytest.mark.parametrize(("at_once", "passes"), [(1, 8), (3, 3), (8, 1), (64, 1)])
def test_phrases_together_are_answered_as_one_by_one(
    labeller, checkpoint, image, monkeypatch, at_once, passes
):
    pixels = pixel_values(image, PROCESSING)
    expected = labeller.answers(pixels)
    other = load(checkpoint, phrases_at_once=at_once)
    calls = Calls(monkeypatch, Sam3DetrEncoder)
    answers = other.answers(pixels)
    torch.testing.assert_close(answers.presence_logits, expected.presence_logits)
    torch.testing.assert_close(answers.semantic_seg, expected.semantic_seg, rtol=1e-5, atol=1e-5)
    assert len(calls.batches) == passes
    assert max(calls.batches) == min(at_once, len(PHRASES))


def test_a_picture_is_encoded_once_and_phrases_only_when_loading(
    checkpoint, image, ring, monkeypatch
):
    text = Calls(monkeypatch, CLIPTextModelWithProjection)
    vision = Calls(monkeypatch, Sam3VisionModel)
    boxes = Calls(monkeypatch, Sam3GeometryEncoder)
    labeller = load(checkpoint, phrases_at_once=3)
    assert (text.batches, vision.batches) == ([len(PHRASES)], [])
    for picture in (image, image, 255 - image):
        labeller.label(picture, ring)
    assert (text.batches, vision.batches, boxes.batches) == ([len(PHRASES)], [1, 1], [])


def test_half_precision_stays_near_full(labeller, checkpoint, image):
    pixels = pixel_values(image, PROCESSING)
    answers = load(checkpoint, dtype="float16").answers(pixels)
    assert answers.semantic_seg.dtype == torch.float32
    expected = labeller.answers(pixels)
    torch.testing.assert_close(answers.presence_logits, expected.presence_logits, rtol=0, atol=0.05)
    # Of the masks' cells nearly all fall on the same side of the threshold.
    agree = (answers.semantic_seg > 0) == (expected.semantic_seg > 0)
    assert agree.float().mean() > 0.98


def test_a_network_that_overflows_is_an_error_and_not_a_label(
    checkpoint, tmp_path, image, ring, altered
):
    for part, what in (
        ("mask_decoder.semantic_projection", "segmentation"),
        ("detr_decoder.presence_head.layer3", "presence"),
    ):
        folder = altered(
            tmp_path / what, {f"detector_model.{part}.bias": torch.tensor([float("nan")])}
        )
        message = refusal(ErrorKind.INTERNAL, load(folder).label, image, ring)
        assert f"finite {what} logits" in message


# --- the labels ---------------------------------------------------------------------------------
def test_labels_are_presence_times_coverage_counted_by_hand(labeller, image, ring):
    answers = labeller.answers(pixel_values(image, PROCESSING))
    _, rows, columns = answers.semantic_seg.shape
    # Each pixel of the ring looks its cells up: 64 parts a side each, none of them cut.
    row = (np.arange(300 * 64) * rows) // (300 * 64)
    column = (np.arange(400 * 64) * columns) // (400 * 64)
    counted = []
    for name, indices in (
        ("grass", (0, 1)),
        ("fallen leaves", (2, 3)),
        ("tile", (4,)),
        ("stone", (5, 6)),
        ("artificial turf", (7,)),
    ):
        tried = []
        for index in indices:
            mask = (answers.semantic_seg[index] > 0).numpy().astype(np.float64)
            across = mask[:, column].reshape(rows, 400, 64).mean(axis=2)
            per_pixel = across[row].reshape(300, 64, 400).mean(axis=1)
            coverage = per_pixel[ring >= 128].mean()
            presence = 1 / (1 + np.exp(-float(answers.presence_logits[index])))
            tried.append((presence * coverage, coverage))
        counted.append((*max(tried), name))
    counted.sort(key=lambda entry: -entry[0])

    labels = labeller.label(image, ring, least=0.0)
    assert labels.names == tuple(name for _, _, name in counted)
    assert labels.scores.dtype == labels.coverage.dtype == np.float32
    np.testing.assert_allclose(labels.scores, [score for score, _, _ in counted], atol=1e-5)
    np.testing.assert_allclose(labels.coverage, [cover for _, cover, _ in counted], atol=1e-5)


def test_only_the_best_labels_over_the_least_score_are_given(labeller, image, ring):
    every = labeller.label(image, ring, least=0.0)
    assert len(every.names) == len(VOCABULARY)
    assert (np.diff(every.scores) <= 0).all()
    least = float(every.scores[2])
    assert labeller.label(image, ring, least=least).names == every.names[:3]
    assert labeller.label(image, ring, least=0.0, most=2).names == every.names[:2]


def test_labels_repeat_bit_for_bit_also_from_a_second_load(labeller, checkpoint, image, ring):
    first = labeller.label(image, ring, least=0.0)
    assert first.scores.any()
    assert same(first, labeller.label(image, ring, least=0.0))
    assert same(first, load(checkpoint).label(image, ring, least=0.0))


def test_pixels_far_from_a_small_hole_in_a_large_photo_change_nothing(labeller: SurfaceLabeller):
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (1200, 1600, 3), dtype=np.uint8)
    ring = np.zeros((1200, 1600), np.uint8)
    ring[300:380, 700:820] = 255
    before = labeller.label(image, ring, least=0.0)
    image[:200] = image[500:] = 0
    image[:, :500] = image[:, 1000:] = 255
    assert before.scores.any()
    assert same(before, labeller.label(image, ring, least=0.0))


def test_an_empty_ring_has_no_labels_and_costs_no_pass(labeller, image, monkeypatch):
    vision = Calls(monkeypatch, Sam3VisionModel)
    labels = labeller.label(image, np.full((300, 400), 127, np.uint8))
    assert labels.names == ()
    assert labels.scores.shape == labels.coverage.shape == (0,)
    assert vision.batches == []


IMAGE, RING = np.zeros((80, 90, 3), np.uint8), np.full((80, 90), 255, np.uint8)


@pytest.mark.parametrize(
    ("image", "ring", "change", "said"),
    [
        (IMAGE, RING[:, :89], {}, "RING: expected the image's size 90x80, got 89x80"),
        (IMAGE, RING.T, {}, "RING: expected the image's size 90x80, got 80x90"),
        (IMAGE[..., 0], RING, {}, "IMAGE: expected UINT8 [H, W, 3], got uint8 [80, 90]"),
        (IMAGE[..., :2], RING, {}, "IMAGE: expected UINT8 [H, W, 3], got uint8 [80, 90, 2]"),
        (IMAGE.astype(np.float32), RING, {}, "IMAGE: expected UINT8 [H, W, 3], got float32"),
        (IMAGE, RING[..., None], {}, "RING: expected UINT8 [H, W], got uint8 [80, 90, 1]"),
        (IMAGE, RING > 0, {}, "RING: expected UINT8 [H, W], got bool [80, 90]"),
        (IMAGE[:32], RING[:32], {}, "IMAGE: expected sides of 64 to 16384 px, got 90x32"),
        (IMAGE, RING, {"least": 1.5}, "least: expected a score in 0 to 1, got 1.5"),
        (IMAGE, RING, {"least": float("nan")}, "least: expected a score in 0 to 1, got nan"),
        (IMAGE, RING, {"most": 0}, "most: expected at least 1 label, got 0"),
    ],
)
def test_bad_input_is_said(labeller, image, ring, change, said):
    assert said in refusal(ErrorKind.INVALID_ARG, labeller.label, image, ring, **change)
