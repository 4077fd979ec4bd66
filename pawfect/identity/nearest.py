"""Which of several faces is meant by a mask."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.faces import Face
from pawfect.contract.tensors import MASK_THRESHOLD
from pawfect.picture import raster
from pawfect.picture.box import Box


def nearest_face(faces: Sequence[Face], mask: NDArray[np.uint8]) -> Face | None:
    """Return the face that a mask means: the one nearest to it.

    One that is farther from the mask than the longer side of its box is not meant: a mask over a
    dog does not mean the face of whoever stands behind it.

    Args:
        faces: of the photo.
        mask: UINT8 [H, W], >= 128 = marked, of the photo's size.

    Returns:
        The face of the least gap between box and mask; among several that the mask meets, the one
        in whose middle it lies most: the least mean distance. None where none is near, or nothing
        is marked.
    """
    marked = mask >= MASK_THRESHOLD
    if not faces or not marked.any():
        return None
    away = raster.distance_to(marked)
    gaps = [_gap(face, away) for face in faces]
    best = min(range(len(faces)), key=gaps.__getitem__)
    x0, y0, x1, y1 = faces[best].box
    return faces[best] if gaps[best][0] <= max(x1 - x0, y1 - y0) else None


def box_within(face: Face, height: int, width: int) -> Box:
    """Return a face's box in whole pixels of its photo; at least one pixel of it."""
    x0, y0, x1, y1 = (float(edge) for edge in face.box)
    left, upper = min(max(int(x0), 0), width - 1), min(max(int(y0), 0), height - 1)
    right, lower = min(math.ceil(x1), width), min(math.ceil(y1), height)
    return Box(left, upper, max(right, left + 1), max(lower, upper + 1))


def _gap(face: Face, away: NDArray[np.float32]) -> tuple[float, float]:
    """Return how far a face's box is from the mask, and its pixels in the mean, px."""
    own = away[box_within(face, *away.shape).slices]
    return float(own.min()), float(own.mean())
