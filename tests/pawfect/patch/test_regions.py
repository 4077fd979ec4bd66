"""The crops of a window: whole holes, no pixel shared."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pawfect.patch.regions import crops

boxes = st.tuples(
    st.integers(0, 560), st.integers(0, 360), st.integers(1, 120), st.integers(1, 120)
)


@settings(max_examples=60, deadline=None)
@given(st.lists(boxes, min_size=1, max_size=6))
def test_crops_hold_every_hole_whole_and_share_no_pixel(found: list[tuple[int, int, int, int]]):
    hole = np.zeros((400, 600), np.bool_)
    for x, y, w, h in found:
        hole[y : y + h, x : x + w] = True
    times = np.zeros(hole.shape, int)
    for box in crops(hole):
        times[box.slices] += 1
    assert times.max() == 1
    assert (times[hole] == 1).all()
    count, labels = cv2.connectedComponents(hole.astype(np.uint8), connectivity=8)
    for label in range(1, count):
        inside = sum(int((labels[box.slices] == label).any()) for box in crops(hole))
        assert inside == 1
