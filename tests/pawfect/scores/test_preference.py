"""When a led fill is taken before plain patches: cases on both sides of each sign."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pawfect.scores.preference import FOLLOWED, prefer
from tests.pawfect.patch.textures import box_mask, stones

SIDE = 160
HOLE = box_mask((SIDE, SIDE), 50, 50, 110, 110)
PHOTO = stones(SIDE, SIDE)


def with_spot(lift: float, image: np.ndarray = PHOTO) -> np.ndarray:
    """A fill whose middle is lighter, level at the rim."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    spot = np.exp(-((rows - 80.0) ** 2 + (columns - 80.0) ** 2) / (2 * 12.0**2))
    return np.clip(np.rint(image + lift * spot[..., None]), 0, 255).astype(np.uint8)


def with_step(lift: int) -> np.ndarray:
    """A fill that is lighter all over."""
    return np.where((HOLE > 0)[..., None], np.clip(PHOTO.astype(int) + lift, 0, 255), PHOTO).astype(
        np.uint8
    )


def blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    smooth = cv2.GaussianBlur(image, (0, 0), sigma)
    return np.where((HOLE > 0)[..., None], smooth, image)


def test_a_led_fill_that_differs_and_shows_no_fault_is_taken():
    choice = prefer(with_spot(60), PHOTO, HOLE, 1.0)
    assert choice.led
    assert "shows no fault" in choice.reason


def test_two_fills_that_agree_leave_it_to_the_patches():
    assert not prefer(PHOTO, PHOTO, HOLE, 1.0).led
    assert "agree" in prefer(with_spot(3), PHOTO, HOLE, 1.0).reason


def test_copies_that_do_not_show_the_drawing_are_not_taken():
    assert prefer(with_spot(60), PHOTO, HOLE, FOLLOWED - 0.1).led
    choice = prefer(with_spot(60), PHOTO, HOLE, FOLLOWED + 0.1)
    assert not choice.led
    assert "cannot follow" in choice.reason


def test_a_seam_that_is_seen_is_taken_only_where_the_patches_show_as_much():
    choice = prefer(with_step(30), PHOTO, HOLE, 1.0)
    assert not choice.led
    assert "seam step" in choice.reason
    assert prefer(with_spot(60, with_step(30)), with_step(32), HOLE, 1.0).led


@pytest.mark.parametrize("sigma", [1.0, 2.0])
def test_a_smear_is_taken_only_where_the_patches_smear_as_much(sigma):
    choice = prefer(blurred(with_spot(60), sigma), PHOTO, HOLE, 1.0)
    assert not choice.led
    assert "detail" in choice.reason
    assert prefer(blurred(with_spot(60), sigma), blurred(PHOTO, 1.5 * sigma), HOLE, 1.0).led


def test_a_fill_busier_than_its_surroundings_is_not_taken():
    noise = np.random.default_rng(0).normal(0, 25, (SIDE, SIDE, 1)) * (HOLE > 0)[..., None]
    busy = np.clip(with_spot(60) + noise, 0, 255).astype(np.uint8)
    assert "detail" in prefer(busy, PHOTO, HOLE, 1.0).reason


def test_a_hole_too_thin_to_judge_is_left_to_the_patches():
    thin = box_mask((SIDE, SIDE), 50, 80, 110, 83)
    lighter = np.where((thin > 0)[..., None], np.uint8(255), PHOTO)
    assert not prefer(lighter, PHOTO, thin, 1.0).led
