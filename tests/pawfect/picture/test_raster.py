"""Distances: exact, and the same wherever in memory they happen to lie."""

from __future__ import annotations

import numpy as np
import pytest

from pawfect.picture.raster import distance_to


@pytest.mark.parametrize("size", [(40, 61), (96, 96), (130, 2000)])
def test_distances_are_the_correctly_rounded_ones(size: tuple[int, int]):
    rng = np.random.default_rng(size[1])
    rows, columns = rng.integers(0, size[0], 3), rng.integers(0, size[1] // 8, 3)
    flags = np.zeros(size, np.bool_)
    flags[rows, columns] = True
    y, x = np.ogrid[: size[0], : size[1]]
    squares = [
        (y - row) ** 2 + (x - column) ** 2 for row, column in zip(rows, columns, strict=True)
    ]
    exact = np.sqrt(np.minimum.reduce(squares)).astype(np.float32)
    # Each time elsewhere in memory.
    kept = [distance_to(flags) for _ in range(40)]
    for distances in kept:
        assert distances.dtype == np.float32
        np.testing.assert_array_equal(distances, exact)
