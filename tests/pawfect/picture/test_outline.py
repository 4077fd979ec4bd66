"""Outlines round objects: noticed, and filled inside where that is asked for."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.picture.mask import clean_mask
from tests.pawfect.picture.test_growth import line
from tests.pawfect.picture.test_mask import disc
from tests.refusals import refusal

SIZE = 400


def ring(at: tuple[int, int] = (200, 200), radius: int = 90, px: int = 6) -> np.ndarray:
    mask = np.zeros((SIZE, SIZE), np.uint8)
    cv2.circle(mask, at, radius, 255, px)
    return mask


def corner_arc() -> np.ndarray:
    """An outline that the photo's lower left corner closes."""
    return ring((0, SIZE - 1), 150)


def test_a_ring_is_noticed_and_fills_the_ring_alone():
    cleaned = clean_mask(ring())
    assert (cleaned.changes.outlines, cleaned.changes.outlines_filled) == (1, 0)
    assert cleaned.mask[200, 200] == 0


@pytest.mark.parametrize("px", [2, 6, 30])
@pytest.mark.parametrize("radius", [60, 90, 150])
def test_on_request_a_ring_is_filled_inside_and_grows_as_a_ring_does(px, radius):
    mask = ring(radius=radius, px=px)
    left, filled = clean_mask(mask), clean_mask(mask, fill_outlines=True)
    solid = np.zeros_like(mask)
    cv2.circle(solid, (200, 200), radius, 255, -1)
    np.testing.assert_array_equal(filled.mask, left.mask | solid)
    assert (filled.changes.outlines, filled.changes.outlines_filled) == (0, 1)


def test_a_ring_with_a_gap_that_growing_closes_is_one():
    mask = ring(px=12)
    mask[198:203, 280:300] = 0
    assert clean_mask(mask).changes.outlines == 1
    assert clean_mask(mask, fill_outlines=True).mask[200, 200] == 255


def test_an_open_stroke_encloses_nothing():
    mask = ring()
    mask[150:250, 280:300] = 0
    assert clean_mask(mask).changes.outlines == 0
    filled = clean_mask(mask, fill_outlines=True)
    assert filled.changes.outlines_filled == 0
    np.testing.assert_array_equal(filled.mask, clean_mask(mask).mask)


@pytest.mark.parametrize("at", [(200, 0), (0, 200), (399, 200), (200, 399)])
def test_an_edge_of_the_photo_closes_an_outline(at):
    mask = ring(at)
    inside = np.clip(at, 2, 397)
    assert clean_mask(mask).changes.outlines == 1
    filled = clean_mask(mask, fill_outlines=True)
    assert filled.changes.outlines_filled == 1
    assert filled.mask[inside[1], inside[0]] == 255
    assert filled.mask[200 if at[0] != 200 else 20, 200] == (
        255 if at[0] == 200 and at[1] == 0 else 0
    )


def test_a_corner_closes_an_outline_on_request_only():
    assert clean_mask(corner_arc()).changes.outlines == 0
    filled = clean_mask(corner_arc(), fill_outlines=True)
    assert filled.mask[SIZE - 1, 0] == 255
    assert filled.mask[0, SIZE - 1] == 0


def test_a_leash_across_the_photo_encloses_nothing():
    mask = line(6, SIZE, SIZE)
    mask[SIZE // 2 : SIZE // 2 + 6] = 255
    assert clean_mask(mask).changes.outlines == 0
    np.testing.assert_array_equal(clean_mask(mask, fill_outlines=True).mask, clean_mask(mask).mask)


def test_the_gap_between_body_and_arm_is_no_outline():
    mask = disc(SIZE, 150)
    cv2.circle(mask, (150, 200), 30, 0, -1)
    assert clean_mask(mask).changes.outlines == 0


def test_each_outline_counts():
    mask = ring((100, 100), 60) | ring((280, 280), 70) | ring((300, 90), 40)
    assert clean_mask(mask).changes.outlines == 3
    assert clean_mask(mask, fill_outlines=True).changes.outlines_filled == 3


def test_outlines_are_noticed_in_a_large_photo():
    mask = np.zeros((3000, 4000), np.uint8)
    cv2.circle(mask, (1000, 1000), 200, 255, 5)
    cv2.ellipse(mask, (3990, 2000), (700, 500), 0, 0, 360, 255, 40)
    assert clean_mask(mask).changes.outlines == 2


def test_an_outline_round_the_whole_photo_is_refused():
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[:5] = mask[-5:] = 255
    mask[:, :5] = mask[:, -5:] = 255
    message = refusal(ErrorKind.INVALID_ARG, clean_mask, mask, fill_outlines=True)
    assert message == "MASK: expected some pixels to keep, got an outline round all of the photo"


def test_what_is_protected_stays_within_a_filled_outline():
    protect = disc(SIZE, 20)
    filled = clean_mask(ring(), protect, fill_outlines=True)
    assert not filled.mask[protect > 0].any()
    assert filled.mask[200, 240] == 255
