"""Films across a hole and blurs over known pixels, against oracles."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pawfect.picture.tone import blur_known, membrane
from tests.pawfect.patch.textures import square


def laplace_by_elimination(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The film by solving the whole linear system at once; free at the border."""
    height, width = known.shape
    system, right = np.eye(height * width), values.ravel().astype(float).copy()
    for y, x in np.argwhere(~known):
        row = y * width + x
        around = [
            (y + dy, x + dx)
            for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0))
            if 0 <= y + dy < height and 0 <= x + dx < width
        ]
        system[row, row], right[row] = len(around), 0
        for ny, nx in around:
            system[row, ny * width + nx] = -1
    return np.linalg.solve(system, right).reshape(height, width)


def test_a_membrane_solves_laplaces_equation():
    rng = np.random.default_rng(0)
    values = np.cumsum(rng.normal(0, 9, (24, 24)), axis=0).astype(np.float32)
    values = cv2.GaussianBlur(values, (0, 0), 2.0)
    known = ~square(24, 6, 18)
    film = membrane(values[..., None], known)[..., 0]
    np.testing.assert_allclose(film, laplace_by_elimination(values, known), atol=0.5)
    np.testing.assert_array_equal(film[known], values[known])


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 60), st.integers(2, 60), st.integers(0, 1000))
def test_a_membrane_stays_between_the_least_and_the_most_it_is_hung_on(height, width, seed):
    rng = np.random.default_rng(seed)
    values = rng.uniform(-50, 300, (height, width, 2)).astype(np.float32)
    known = rng.random((height, width)) < 0.1
    known[rng.integers(height), rng.integers(width)] = True
    film = membrane(values, known)
    for channel in range(2):
        hung = values[..., channel][known]
        assert film[..., channel].min() >= hung.min() - 1e-2
        assert film[..., channel].max() <= hung.max() + 1e-2


def test_a_membrane_hung_on_nothing_is_zero():
    assert not membrane(np.ones((5, 7, 3), np.float32), np.zeros((5, 7), np.bool_)).any()


def test_a_blur_over_known_pixels_ignores_the_others():
    values = np.full((40, 40, 3), 9, np.float32)
    known = ~square(40, 10, 30)
    values[~known] = 255
    mean, support = blur_known(values, known, 2.0)
    np.testing.assert_allclose(mean[support > 0.01], 9, atol=1e-3)
