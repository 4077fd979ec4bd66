"""Masks by words and boxes, against transformers' own forward pass and its own post-processing."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from transformers.models.clip.modeling_clip import CLIPTextModelWithProjection
from transformers.models.clip.tokenization_clip import CLIPTokenizer
from transformers.models.sam3.modeling_sam3 import Sam3Model, Sam3VisionModel
from transformers.models.sam3.processing_sam3 import box_xyxy_to_cxcywh

from pawfect.contract.errors import ErrorKind
from pawfect.contract.find import FindMasksParams
from pawfect.scene.found_masks import FoundMasks, found_masks
from pawfect.scene.lexicon import Surface
from pawfect.scene.sam3 import SurfaceLabeller
from pawfect.scene.sam3_finder import Finder
from pawfect.scene.sam3_network import Sam3
from pawfect.scene.sam3_view import Processing, pixel_values
from tests.pawfect.scene.test_sam3 import Calls
from tests.refusals import refusal

HEIGHT, WIDTH = 150, 203
PROCESSING = Processing(224, (0.5,) * 3, (0.5,) * 3, 1 / 255)
BOXES = np.array([[20, 30, 90.5, 140], [100, 10, 203, 60]], np.float32)


def published_post_processing() -> Any:
    """transformers' own function, out of a module that only imports beside torchvision."""
    spec = find_spec("transformers.models.sam3.image_processing_sam3")
    tree = ast.parse(Path(spec.origin).read_text())
    (function,) = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == "post_process_instance_segmentation"
    )
    scale = next(
        n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "_scale_boxes"
    )
    names: dict[str, Any] = {"torch": torch}
    exec(compile(ast.Module([scale, function], []), spec.origin, "exec"), names)
    return names["post_process_instance_segmentation"]


@pytest.fixture(scope="module")
def network(checkpoint: Path) -> Sam3:
    return Sam3.load(checkpoint, device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def finder(network: Sam3) -> Finder:
    return Finder(network)


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """UINT8 [150, 203, 3]: smooth patches of colour and some noise."""
    rng = np.random.default_rng(11)
    patches = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    smooth = cv2.resize(patches, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return (smooth + rng.normal(0, 12, smooth.shape)).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def published(checkpoint: Path, network: Sam3) -> Any:
    """Answers as transformers itself gives them, post-processed by itself."""
    model = Sam3Model.from_pretrained(checkpoint, local_files_only=True).eval()
    tokenizer = CLIPTokenizer.from_pretrained(checkpoint, local_files_only=True)

    def answer(image: np.ndarray, phrase: str, threshold: float, boxes: Any = None) -> Any:
        text = tokenizer(phrase, return_tensors="pt", padding="max_length", max_length=32)
        given = {}
        height, width = image.shape[:2]
        if boxes is not None:
            shares = torch.from_numpy(boxes) / torch.tensor([width, height, width, height])
            labels = torch.ones(1, len(boxes), dtype=torch.long)
            given = {
                "input_boxes": box_xyxy_to_cxcywh(shares)[None],
                "input_boxes_labels": labels,
            }
        with torch.no_grad():
            output = model(pixel_values=pixel_values(image, PROCESSING), **text, **given)
        process = published_post_processing()
        (answered,) = process(None, output, threshold=threshold, target_sizes=[(height, width)])
        return answered

    return answer


def found(finder: Finder, image: np.ndarray, phrase: str | None, boxes=None, **given) -> FoundMasks:
    proposed = finder.find(image, phrase, boxes)
    params = FindMasksParams(**{"most": 64, **given})
    return found_masks(proposed.scores, proposed.mask_logits, *image.shape[:2], params)


@pytest.mark.parametrize(("phrase", "boxes"), [("dog leash", None), ("hand", BOXES), (None, BOXES)])
@pytest.mark.parametrize("size", [None, (701, 450), (64, 90)])
def test_masks_are_those_of_transformers_own_post_processing(
    finder, published, image, phrase, boxes, size
):
    if size is not None:
        boxes = None if boxes is None else boxes * np.array(2 * [size[0] / WIDTH, size[1] / HEIGHT])
        boxes = None if boxes is None else boxes.astype(np.float32)
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    every = finder.find(image, phrase, boxes).scores
    # A bound between two scores in the middle: some are kept, some are not.
    least = float(every[len(every) // 2 - 1] + every[len(every) // 2]) / 2
    expected = published(image, phrase or "visual", least, boxes)
    own = found(finder, image, phrase, boxes, least_score=least)
    order = torch.argsort(expected["scores"], descending=True, stable=True)
    assert 0 < len(own.scores) == len(order) < len(every)
    np.testing.assert_allclose(own.scores, expected["scores"][order].numpy(), rtol=1e-4)
    masks = expected["masks"][order].numpy() * 255
    assert own.masks.dtype == np.uint8
    assert own.masks.shape == masks.shape
    # Sums in another order put a pixel that stands on the threshold on either side.
    assert (own.masks != masks).mean() < 1e-4
    assert 0.01 < (masks > 0).mean() < 0.99


def test_words_and_boxes_each_change_what_is_found(finder, image):
    plain, other = finder.find(image, "grass"), finder.find(image, "dog leash")
    boxed = finder.find(image, "grass", BOXES)
    for changed in (other, boxed):
        assert np.abs(plain.scores - changed.scores).max() > 1e-4


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_in_16_bits_with_the_text_encoder_apart_it_stays_near_full_precision(
    checkpoint, finder, image, dtype
):
    # As on a card: the network in 16 bits there, the text encoder in 32 here.
    halves = Finder(Sam3.load(checkpoint, device="cpu", dtype=dtype, text_device="apart"))
    for boxes in (None, BOXES):
        full, half = finder.find(image, "leash", boxes), halves.find(image, "leash", boxes)
        assert half.scores.dtype == half.mask_logits.dtype == np.float32
        assert np.abs(full.scores - half.scores).max() < 0.05
        assert half.presence == pytest.approx(full.presence, abs=0.02)


def test_each_find_is_told_with_its_area_and_box(finder, image):
    own = found(finder, image, "leaf", least_score=0.0, most=5)
    assert len(own.finds) == len(own.masks) == 5
    assert own.left_out > 0
    assert (np.diff(own.scores) <= 0).all()
    for find, mask, score in zip(own.finds, own.masks, own.scores, strict=True):
        rows, columns = np.nonzero(mask)
        assert find.area_px == len(rows)
        assert find.score == score
        x0, y0, x1, y1 = find.box
        assert not len(rows) or (x0, y0, x1, y1) == (
            columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        )  # fmt: skip


def test_joined_finds_are_one_mask_of_all(finder, image):
    apart = found(finder, image, "leaf", least_score=0.0, most=7)
    joined = found(finder, image, "leaf", least_score=0.0, most=7, joined=True)
    assert joined.masks.shape == (1, HEIGHT, WIDTH)
    assert np.array_equal(joined.masks[0], apart.masks.max(axis=0))
    assert joined.scores.tolist() == apart.scores[:1].tolist()
    assert joined.finds == apart.finds


def test_nothing_over_the_bound_is_no_mask_and_no_error():
    scores, logits = np.array([0.3, 0.1], np.float32), np.zeros((2, 4, 4), np.float32)
    for joined in (False, True):
        none = found_masks(scores, logits, 80, 90, FindMasksParams(least_score=0.5, joined=joined))
        assert none.masks.shape == (0, 80, 90)
        assert (none.scores.shape, none.finds, none.left_out) == ((0,), (), 0)


def test_an_answers_bytes_are_bounded_by_the_photo_and_not_by_what_is_found(monkeypatch):
    monkeypatch.setattr("pawfect.scene.found_masks.MAX_MASK_BYTES", 3 * 80 * 90 + 1)
    scores, logits = np.full(5, 0.9, np.float32), np.ones((5, 4, 4), np.float32)
    few = found_masks(scores, logits, 80, 90, FindMasksParams())
    assert (len(few.masks), few.left_out) == (3, 2)
    joined = found_masks(scores, logits, 80, 90, FindMasksParams(joined=True))
    assert (len(joined.finds), joined.left_out) == (5, 0)


def test_labels_and_words_encode_the_same_picture_once(checkpoint, image, monkeypatch):
    network = Sam3.load(checkpoint, device="cpu", dtype="float32")
    labeller, finder = SurfaceLabeller(network, [Surface("grass", ("grass",))]), Finder(network)
    fresh = Finder(Sam3.load(checkpoint, device="cpu", dtype="float32")).find(image, "hand")
    vision = Calls(monkeypatch, Sam3VisionModel)
    text = Calls(monkeypatch, CLIPTextModelWithProjection)
    # A photo no larger than what SAM3 takes in is seen whole, whatever the ring.
    labeller.label(image, np.full((HEIGHT, WIDTH), 255, np.uint8))
    for phrase in ("hand", "leash", "hand"):
        kept = finder.find(image, phrase)
    assert (vision.batches, text.batches) == ([1], [1, 1])
    assert kept.scores.tobytes() == fresh.scores.tobytes()
    assert kept.mask_logits.tobytes() == fresh.mask_logits.tobytes()
    # One pixel of another colour is another picture.
    other = image.copy()
    other[:8, :8] = 255 - other[:8, :8]
    finder.find(other, "hand")
    finder.find(image, "hand")
    assert (vision.batches, text.batches) == ([1, 1, 1], [1, 1])


def test_a_network_that_overflows_is_an_error_and_not_a_mask(checkpoint, tmp_path, image, altered):
    for part, what in (
        ("mask_decoder.mask_embedder.layers.2", "mask"),
        ("detr_decoder.presence_head.layer3", "presence"),
    ):
        broken = {f"detector_model.{part}.bias": torch.tensor([float("nan")])}
        shape = torch.Size([1]) if what == "presence" else torch.Size([48])
        broken = {name: value.expand(shape).clone() for name, value in broken.items()}
        folder = altered(tmp_path / what, broken)
        finder = Finder(Sam3.load(folder, device="cpu", dtype="float32"))
        assert f"finite {what} logits" in refusal(ErrorKind.INTERNAL, finder.find, image, "hand")


def test_a_phrase_over_the_encoders_length_is_refused(finder, image):
    message = refusal(ErrorKind.INVALID_ARG, finder.find, image, "xyz " * 40)
    assert "PHRASE: expected at most 32 tokens" in message
