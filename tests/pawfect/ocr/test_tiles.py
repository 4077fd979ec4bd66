"""Tiles: every pixel of the whole comes from one tile that sees enough around it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pawfect.ocr.tiles import OVERLAP, TILE, WHOLE_PX, spans, tiles


@given(st.integers(1, 512))
def test_tiles_along_an_axis_use_each_pixel_once_and_see_half_the_overlap_round_it(units):
    length = 32 * units
    along = spans(length)
    assert (along[0].first, along[-1].last) == (0, length)
    for before, after in pairwise(along):
        assert before.last == after.first
        assert before.end - before.last >= OVERLAP // 2
        assert after.first - after.start >= OVERLAP // 2
    for span in along:
        assert 0 <= span.start <= span.first < span.last <= span.end <= length
        assert span.end - span.start == min(TILE, length)
        assert (span.end - span.start) % 32 == 0


def test_a_picture_is_seen_whole_up_to_what_rapidocr_sees_and_in_tiles_beyond():
    ((rows, columns),) = tiles(1504, 2016)
    assert (rows.end, columns.end) == (1504, 2016)
    used = np.zeros((3008, 4000), int)
    for y, x in tiles(*used.shape):
        assert (y.end - y.start) * (x.end - x.start) <= WHOLE_PX
        used[y.first : y.last, x.first : x.last] += 1
    assert (used == 1).all()
