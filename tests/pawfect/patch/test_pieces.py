"""How a hole is divided: every pixel in a piece, and work that follows the hole."""

from __future__ import annotations

from time import thread_time

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawfect.patch.pieces import CROWDED, MOST_PIECES, context, pieces
from tests.pawfect.patch.textures import box_mask


def test_work_is_divided_along_a_thin_hole_and_follows_it_not_the_photo():
    hole = np.zeros((2000, 3000), np.uint8)
    cv2.polylines(hole, [np.array([(100, 100), (1500, 1800), (2900, 300)])], False, 255, 12)
    boxes = pieces(hole > 0)
    covered = np.zeros_like(hole)
    for box in boxes:
        covered[box.slices] = 255
    assert not (hole > covered).any()
    assert max(max(box.width, box.height) for box in boxes) <= 8 * 16
    assert sum(box.area for box in boxes) < 0.1 * hole.size


def test_a_compact_hole_and_holes_side_by_side_are_one_piece_and_far_ones_are_not():
    near = box_mask((400, 1200), 100, 100, 160, 160) | box_mask((400, 1200), 170, 110, 200, 150)
    far = box_mask((400, 1200), 900, 100, 940, 140)
    assert [box.edges for box in pieces((near | far) > 0)] == [
        (100, 100, 200, 160),
        (900, 100, 940, 140),
    ]


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_pieces_cover_any_hole(seed: int):
    rng = np.random.default_rng(seed)
    hole = np.zeros((rng.integers(1, 200), rng.integers(1, 200)), np.uint8)
    for _ in range(rng.integers(1, 8)):
        ends = rng.integers(0, hole.shape[::-1], (2, 2)).tolist()
        cv2.line(hole, *ends, 255, int(rng.integers(1, 12)))
    left = hole > 0
    for box in pieces(hole > 0):
        assert box.x0 >= 0
        assert box.y0 >= 0
        left[box.slices] = False
    assert not left.any()


def _grid(size: int, every: int, across: int) -> np.ndarray:
    """Spots of `across` px, one every so many px."""
    rows, columns = np.indices((size, size)) % every < across
    return rows & columns


DUST = {
    "spots far apart": _grid(3000, 75, 5),
    "spots side by side": _grid(1500, 20, 5),
    "single pixels": _grid(1200, 4, 1),
    "lines of a pixel": np.arange(900)[:, None] % 2 + np.zeros((900, 900)) > 0,
    "every other pixel": np.indices((900, 900)).sum(0) % 2 > 0,
    "at random": np.random.default_rng(0).random((900, 900)) < 0.2,
}


@pytest.mark.parametrize("name", DUST)
def test_dust_and_fine_stripes_are_filled_together(name: str):
    hole = DUST[name]
    before = thread_time()
    boxes = pieces(hole)
    # Pairs of 90,000 spots would take hours.
    assert thread_time() - before < 20
    assert len(boxes) <= MOST_PIECES
    covered = np.zeros_like(hole)
    for box in boxes:
        covered[box.slices] = True
    assert not (hole & ~covered).any()
    worked_on = sum(context(box, *hole.shape).area for box in boxes)
    assert worked_on <= CROWDED * hole.size


def test_a_large_hole_among_dust_stays_one_piece():
    hole = _grid(1500, 20, 3)
    hole[400:900, 500:1000] = True
    first, *others = pieces(hole)
    assert first.x0 <= 500 < 1000 <= first.x1 <= 1004
    assert first.y0 <= 400 < 900 <= first.y1 <= 904
    assert 4 < len(others) <= MOST_PIECES
