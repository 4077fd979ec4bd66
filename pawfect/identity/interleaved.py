"""Larger faces by a network of one size: interleaved sampling, FaceFusion's pixel boost.

A square of n x 128 px is taken apart into n x n squares of 128, each with every n-th pixel in both
directions; each is drawn anew, and they are put together again (github.com/facefusion/facefusion,
`face_swapper`, implode and explode of its pixel boost).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pawfect.identity.alignment import NETWORK_PX


def taken_apart(square: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the interleaved squares, UINT8 [n * n, 128, 128, 3], of one [n * 128, n * 128, 3]."""
    n = len(square) // NETWORK_PX
    cells = square.reshape(NETWORK_PX, n, NETWORK_PX, n, 3)
    parts = cells.transpose(1, 3, 0, 2, 4).reshape(n * n, NETWORK_PX, NETWORK_PX, 3)
    return np.ascontiguousarray(parts)


def put_together(parts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the square [n * 128, n * 128, 3] of its interleaved parts [n * n, 128, 128, 3]."""
    n = round(len(parts) ** 0.5)
    cells = parts.reshape(n, n, NETWORK_PX, NETWORK_PX, 3)
    square = cells.transpose(2, 0, 3, 1, 4).reshape(n * NETWORK_PX, n * NETWORK_PX, 3)
    return np.ascontiguousarray(square)
