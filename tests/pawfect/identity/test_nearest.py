"""Which face a mask means, and when it means none."""

from __future__ import annotations

import numpy as np
import pytest

from pawfect.contract.faces import Face
from pawfect.identity.nearest import near_face


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
