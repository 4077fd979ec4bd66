"""The worst part of a fill: where the fault is, a third of the area, nothing outside the hole."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pawfect.scores.faults import worst_part
from tests.lawn import holes, lawn

HEIGHT, WIDTH = 160, 200
PHOTO = lawn(HEIGHT, WIDTH)
BOX = (60, 40, 140, 120)
HOLE = holes(HEIGHT, WIDTH, BOX)


def spoiled(kind: str, box: tuple[int, int, int, int]) -> np.ndarray:
    part = holes(HEIGHT, WIDTH, box) > 0
    worse = {
        "light": np.clip(PHOTO.astype(int) + 60, 0, 255).astype(np.uint8),
        "smear": cv2.GaussianBlur(PHOTO, (0, 0), 4),
        "noise": np.clip(
            PHOTO + np.random.default_rng(3).normal(0, 40, PHOTO.shape), 0, 255
        ).astype(np.uint8),
    }[kind]
    return np.where(part[..., None], worse, PHOTO)


@pytest.mark.parametrize("kind", ["light", "smear", "noise"])
@pytest.mark.parametrize("box", [(60, 40, 86, 120), (100, 70, 140, 110)], ids=["side", "corner"])
def test_the_worst_part_is_where_the_fault_is(kind, box):
    worst = worst_part(spoiled(kind, box), HOLE) > 0
    fault = holes(HEIGHT, WIDTH, box) > 0
    found = np.count_nonzero(worst & fault) / np.count_nonzero(fault)
    assert found > 2 * np.count_nonzero(worst) / np.count_nonzero(HOLE)
    assert found > 0.6


def test_it_is_about_a_third_in_few_parts_within_the_hole_and_the_same_each_time():
    worst = worst_part(spoiled("noise", (70, 50, 100, 90)), HOLE)
    assert worst.dtype == np.uint8
    assert set(np.unique(worst)) == {0, 255}
    assert not (worst & ~HOLE).any()
    assert 0.25 < np.count_nonzero(worst) / np.count_nonzero(HOLE) < 0.4
    parts, _, stats, _ = cv2.connectedComponentsWithStats(worst)
    assert parts - 1 <= 4
    assert stats[1:, cv2.CC_STAT_AREA].min() >= 0.04 * np.count_nonzero(HOLE)
    assert np.array_equal(worst, worst_part(spoiled("noise", (70, 50, 100, 90)), HOLE))


def test_of_two_holes_the_spoiled_one_has_it():
    both = holes(HEIGHT, WIDTH, (20, 50, 60, 90), (130, 50, 170, 90))
    worst = worst_part(spoiled("light", (130, 50, 170, 90)), both)
    assert not worst[:, :100].any()
    assert worst[:, 100:].any()


@pytest.mark.parametrize(
    "hole",
    [
        holes(HEIGHT, WIDTH, (50, 50, 51, 51)),
        holes(HEIGHT, WIDTH, (50, 50, 53, 53)),
        holes(HEIGHT, WIDTH, (0, 0, WIDTH, 3)),
        np.full((HEIGHT, WIDTH), 255, np.uint8),
    ],
    ids=["1 px", "9 px", "strip", "all"],
)
def test_even_where_there_is_nothing_to_compare_with_there_is_a_part(hole):
    for photo in (PHOTO, np.full_like(PHOTO, 90)):
        worst = worst_part(photo, hole)
        assert worst.any()
        assert not (worst & ~hole).any()
        assert np.count_nonzero(worst) <= max(0.5 * np.count_nonzero(hole), 5)


def test_a_large_photo_is_no_other():
    photo, hole = (
        cv2.resize(plane, (1600, 1280)) for plane in (spoiled("smear", (60, 40, 86, 120)), HOLE)
    )
    hole = np.where(hole > 127, np.uint8(255), np.uint8(0))
    worst = worst_part(photo, hole) > 0
    assert not (worst & (hole == 0)).any()
    assert np.count_nonzero(worst[:, : 86 * 8]) > 0.6 * np.count_nonzero(worst)


def test_nothing_filled_and_other_sizes_are_refused():
    with pytest.raises(ValueError, match="got nothing"):
        worst_part(PHOTO, np.zeros_like(HOLE))
    with pytest.raises(ValueError, match="result: expected"):
        worst_part(PHOTO[1:], HOLE)
