"""Lines that pass through a hole, found and followed."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pawfect.patch.engine import fill
from pawfect.patch.features import Level, pyramid
from pawfect.patch.guide import one_ground
from pawfect.patch.lines import MARK, drawn, lines
from tests.pawfect.patch.textures import box_mask, square, stones

SIZE = 320


def _ground() -> np.ndarray:
    """Grey with faint grain."""
    grain = np.random.default_rng(0).normal(0, 3, (SIZE, SIZE, 1))
    return np.clip(170 + grain, 0, 255).astype(np.uint8).repeat(3, axis=2)


def _with_line(
    image: np.ndarray, x0: float, y0: float, x1: float, y1: float, width: int = 6, tone: int = 40
) -> np.ndarray:
    out = np.ascontiguousarray(image)
    places = [[round(x0 * 16), round(y0 * 16)], [round(x1 * 16), round(y1 * 16)]]
    cv2.line(out, *places, [tone] * 3, width, cv2.LINE_AA, 4)
    return out


def _level(image: np.ndarray, hole: np.ndarray | None = None) -> Level:
    hole = square(SIZE, 110, 210) if hole is None else hole
    return pyramid(image, hole, np.zeros_like(hole))[0]


@pytest.mark.parametrize("degrees", [0, 17, 45, 73, 90, 128, 160])
def test_a_line_that_goes_on_behind_the_hole_is_found_where_it_passes(degrees):
    way = np.array([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))])
    middle = np.array([164.0, 157.0])
    found = lines(_level(_with_line(_ground(), *(middle - 140 * way), *(middle + 140 * way))))
    # A stroke has two edges; each is a line.
    through = [line for line in found if np.hypot(*(line[2:] - line[:2])) > 90]
    assert through
    for line in through:
        for end in (line[:2], line[2:]):
            gap = end - middle
            assert abs(gap[0] * way[1] - gap[1] * way[0]) < 5.0
    # Lines of one stroke only: none leads anywhere else.
    marks = drawn(found, SIZE, SIZE, 1)
    rows, columns = np.nonzero(marks > MARK / 2)
    beside = np.abs((columns - middle[0]) * way[1] - (rows - middle[1]) * way[0])
    assert rows.size > 100
    assert beside.max() < 7.0


def test_what_ends_at_the_hole_or_goes_on_elsewhere_is_no_line():
    ground = _ground()
    ends = _with_line(ground, 10, 160, 120, 160)
    shifted = _with_line(ends, 200, 185, 310, 185)
    turned = _with_line(ends, 200, 160, 300, 220)
    for image in (ground, ends, shifted, turned):
        assert not lines(_level(image)).size


def test_the_holes_own_edge_and_what_lies_in_it_are_no_lines():
    image = _ground()
    image[square(SIZE, 110, 210)] = 0
    image[150:156, 110:210] = 255
    assert not lines(_level(image)).size


def test_nothing_is_found_where_next_to_nothing_is_known():
    hole = square(SIZE, 2, SIZE - 2)
    assert not lines(Level(np.zeros((SIZE, SIZE, 8), np.int16), hole, ~hole, 316.0)).size


def test_lines_are_drawn_at_the_scale_of_a_level():
    found = np.array([[40.0, 79.5, 280.0, 79.5]])
    marks = drawn(found, 80, 80, 4)
    assert 0.9 * MARK <= marks.max() <= MARK
    assert np.flatnonzero(marks.max(axis=1) > MARK / 2).tolist() == [19, 20]
    assert np.flatnonzero(marks[19] > MARK / 2)[[0, -1]] == pytest.approx([10, 70], abs=1)


def test_two_joints_that_cross_in_a_hole_go_on_through_it():
    # Without lines under half of the joints is there: they end, or run together.
    image = _with_line(_ground(), -20, 148, SIZE + 20, 172, width=4, tone=100)
    image = _with_line(image, 172, -20, 148, SIZE + 20, width=4, tone=100)
    hole = box_mask(image.shape, 85, 85, 235, 235)
    filled = fill(np.where((hole > 0)[..., None], np.uint8(170), image), hole).image
    joint = (image[..., 0] < 140) & (hole > 0)
    ground = (image[..., 0] > 150) & (hole > 0)
    assert np.mean(filled[joint] < 140) > 0.7
    assert np.mean(filled[ground] < 140) < 0.05


def test_a_ground_that_changes_slowly_is_one_and_fields_of_many_tones_are_several():
    hole = square(SIZE, 130, 190)
    slow = stones(SIZE, SIZE).astype(float) * 0.3 + np.linspace(0, 150, SIZE)[:, None, None]
    fields = np.random.default_rng(1).integers(0, 255, (16, 16, 3)).astype(np.uint8)
    patched = cv2.resize(fields, (SIZE, SIZE), interpolation=cv2.INTER_NEAREST)
    assert one_ground(_begun(slow.astype(np.uint8), hole)) > 0.8
    assert one_ground(_begun(patched, hole)) < 0.2


def _begun(image: np.ndarray, hole: np.ndarray) -> Level:
    return next(level for level in pyramid(image, hole, np.zeros_like(hole)) if level.side <= 54)
