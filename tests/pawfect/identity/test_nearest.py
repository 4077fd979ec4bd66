"""Which face a mask means, and when it means none."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pawfect.contract.faces import Face
from pawfect.identity.nearest import meant_face, near_face


def face(x0: float, y0: float, x1: float, y1: float) -> Face:
    box = np.array([x0, y0, x1, y1], np.float32)
    points = np.full((5, 2), box.reshape(2, 2).mean(0), np.float32)
    nothing = np.zeros((0, 2), np.float32)
    return Face("centerface", box, 0.9, points, nothing, np.zeros(0, np.float32))


def mask(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    marked = np.zeros((200, 300), np.uint8)
    marked[y0:y1, x0:x1] = 255
    return marked


FACES = (face(20, 20, 60, 70), face(200, 100, 240, 150))


@pytest.mark.parametrize(
    ("marked", "meant"),
    [
        (mask(30, 30, 40, 40), 0),
        (mask(210, 90, 220, 120), 1),
        (mask(100, 20, 110, 30), 0),
        (mask(115, 20, 120, 30), None),
        (mask(290, 0, 300, 10), None),
    ],
)
def test_a_face_is_meant_from_no_farther_than_its_own_side(marked, meant):
    assert near_face(FACES, marked) == meant


def test_without_faces_none_is_meant():
    assert near_face((), mask(0, 0, 10, 10)) is None


def test_a_face_across_the_border_counts_as_far_as_it_reaches():
    assert near_face((face(-30, -40, 25, 30),), mask(0, 0, 5, 5)) == 0


def by_every_pixel(faces: list[Face], marked: np.ndarray) -> tuple[int, float]:
    """The nearest face by each of the mask's pixels; of those it touches the one with most."""
    rows, columns = np.nonzero(marked >= 128)

    def rank(one: Face) -> tuple[float, int]:
        x0, y0, x1, y1 = one.box.astype(float)
        beside = np.maximum(np.maximum(x0 - columns, columns - x1), 0)
        above = np.maximum(np.maximum(y0 - rows, rows - y1), 0)
        away = np.hypot(beside, above)
        return float(away.min()), -int(np.count_nonzero(away == 0))

    place = min(range(len(faces)), key=lambda number: (*rank(faces[number]), number))
    return place, rank(faces[place])[0]


edges = st.floats(-8, 30, width=32)
boxes = st.tuples(edges, edges, edges, edges).map(
    lambda four: face(min(four[::2]), min(four[1::2]), max(four[::2]), max(four[1::2]))
)


@settings(max_examples=150)
@given(
    faces=st.lists(boxes, min_size=1, max_size=4),
    marked=arrays(
        np.uint8, (20, 24), elements=st.sampled_from([0, 127, 128, 255]), fill=st.just(0)
    ),
)
def test_the_nearest_is_that_by_the_distance_of_every_pixel(faces, marked):
    if not (marked >= 128).any():
        assert meant_face(faces, marked) == 0
        assert near_face(faces, marked) is None
        return
    place, away = by_every_pixel(faces, marked)
    assert meant_face(faces, marked) == place
    x0, y0, x1, y1 = faces[place].box.astype(float)
    assert near_face(faces, marked) == (place if away <= max(x1 - x0, y1 - y0) else None)


def test_a_mask_of_all_of_a_large_photo_takes_little_more_than_itself():
    everything = np.full((4000, 5000), 255, np.uint8)
    tracemalloc.start()
    try:
        assert near_face(FACES, everything) == 0
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 4 * everything.nbytes
