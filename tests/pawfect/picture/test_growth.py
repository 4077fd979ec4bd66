"""How far masks grow: in full round compact holes, by a share of their width round strokes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pawfect.picture.growth import auto_dilate_px
from pawfect.picture.mask import clean_mask
from tests.pawfect.picture.test_mask import brute_force_dilation, disc


def line(px: int, height: int = 1000, width: int = 1000) -> np.ndarray:
    """A level stroke `px` px wide across the middle."""
    mask = np.zeros((height, width), np.uint8)
    mask[height // 2 : height // 2 + px, 100 : width - 100] = 255
    return mask


def growth_at(cleaned: np.ndarray, mask: np.ndarray, column: int) -> int:
    """How far a level stroke grew upwards in a column, px."""
    return int(np.argmax(mask[:, column] > 0) - np.argmax(cleaned[:, column] > 0))


@pytest.mark.parametrize(
    ("height", "width", "px"), [(512, 512, 8), (1000, 1000, 8), (1200, 1600, 11), (3000, 4000, 16)]
)
def test_compact_holes_grow_by_8_to_16_px_by_the_size_of_the_image(height, width, px):
    assert auto_dilate_px(height, width) == px
    mask = np.zeros((height, width), np.uint8)
    cv2.circle(mask, (width // 2, height // 2), height // 8, 255, -1)
    cleaned = clean_mask(mask)
    np.testing.assert_array_equal(cleaned.mask, brute_force_dilation(mask, px))
    assert cleaned.changes.dilate_px == cleaned.changes.least_dilate_px == px


def test_corners_and_fingers_of_a_compact_hole_grow_as_it_does():
    mask = np.zeros((1000, 1000), np.uint8)
    mask[300:600, 300:600] = 255
    mask[200:300, 340:364] = 255
    cv2.fillConvexPoly(mask, np.array([[600, 400], [680, 450], [600, 500]], np.int32), 255)
    cleaned = clean_mask(mask)
    np.testing.assert_array_equal(cleaned.mask, brute_force_dilation(mask, 8))


@pytest.mark.parametrize(
    ("px", "grows"), [(1, 2), (3, 2), (8, 2), (9, 3), (12, 4), (16, 4), (18, 6), (22, 6), (24, 8)]
)
def test_a_stroke_grows_by_a_third_of_its_width_and_at_least_2_px(px, grows):
    mask = line(px)
    cleaned = clean_mask(mask)
    np.testing.assert_array_equal(cleaned.mask, brute_force_dilation(mask, grows))
    assert cleaned.changes.dilate_px == cleaned.changes.least_dilate_px == grows


@pytest.mark.parametrize("angle", [17, 45, 70])
def test_a_slanted_stroke_grows_as_a_level_one_does(angle):
    turn = cv2.getRotationMatrix2D((500, 500), angle, 1)
    for px, least, most in ((4, 2, 2), (15, 4, 4)):
        mask = cv2.warpAffine(line(px), turn, (1000, 1000), flags=cv2.INTER_NEAREST)
        changes = clean_mask(mask).changes
        assert (changes.least_dilate_px, changes.dilate_px) == (least, most)


def test_a_leash_grows_little_though_the_hand_that_holds_it_grows_in_full():
    mask = line(5)
    cv2.circle(mask, (200, 500), 90, 255, -1)
    cleaned = clean_mask(mask)
    assert growth_at(cleaned.mask, mask, 200) == 8
    assert growth_at(cleaned.mask, mask, 800) == 2
    changes = cleaned.changes
    assert (changes.dilate_px, changes.least_dilate_px) == (8, 2)


def test_dust_does_not_triple_the_area_to_fill():
    random = np.random.default_rng(0)
    mask = np.zeros((768, 1024), np.uint8)
    for _ in range(400):
        at = int(random.integers(1024)), int(random.integers(768))
        cv2.circle(mask, at, int(random.integers(3, 8)), 255, -1)
    filled = cv2.countNonZero(clean_mask(mask).mask)
    assert filled < 3 * cv2.countNonZero(mask)


def test_400_spots_of_5_px_are_not_a_fifth_of_the_picture():
    random = np.random.default_rng(0)
    mask = np.zeros((768, 1024), np.uint8)
    for _ in range(400):
        x, y = int(random.integers(1019)), int(random.integers(763))
        mask[y : y + 5, x : x + 5] = 255
    assert np.count_nonzero(clean_mask(mask, dilate_px=8).mask) > 0.15 * mask.size
    assert np.count_nonzero(clean_mask(mask).mask) < 0.04 * mask.size


def test_a_given_growth_rules_whatever_the_width():
    mask = line(3)
    cleaned = clean_mask(mask, dilate_px=9)
    np.testing.assert_array_equal(cleaned.mask, brute_force_dilation(mask, 9))
    assert cleaned.changes.least_dilate_px == 9


def test_a_lone_dot_grows_by_2_px():
    assert clean_mask(disc(500, 2)).changes.dilate_px == 2
