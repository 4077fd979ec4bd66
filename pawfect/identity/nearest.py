"""Which face a mask means, and whether it means one at all."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.faces import Face
from pawfect.contract.tensors import MASK_THRESHOLD


def meant_face(faces: Sequence[Face], mask: NDArray[np.uint8] | None) -> int | None:
    """Return the place of the face that a user's mask means; None where there is no face.

    The one whose box has the least distance from the mask's nearest pixel, 0 where they touch; of
    several that touch it the one with most of the mask in its box; of equals, and without a mask,
    the first, which is the best found.

    Args:
        faces: best first.
        mask: UINT8 [H, W], 255 = paint; None or empty: none.
    """
    nearest = None if mask is None else _nearest(faces, mask)
    if nearest is None:
        return 0 if faces else None
    return nearest[0]


def near_face(faces: Sequence[Face], mask: NDArray[np.uint8]) -> int | None:
    """Return the place of the face that a mask means, as `meant_face`, where one is near.

    One whose box is farther from the mask than its own longer side is not meant: a mask over a dog
    does not mean the face of whoever stands behind it.

    Args:
        faces: of the photo, best first.
        mask: UINT8 [H, W], >= 128 = marked, of the photo's size, some of it.
    """
    nearest = _nearest(faces, mask)
    if nearest is None:
        return None
    place, distance = nearest
    x0, y0, x1, y1 = (float(edge) for edge in faces[place].box)
    return place if distance <= max(x1 - x0, y1 - y0) else None


def _nearest(faces: Sequence[Face], mask: NDArray[np.uint8]) -> tuple[int, float] | None:
    """Return the place of the face that is nearest to a mask, and px between its box and that.

    None without faces or without a mask.
    """
    marked = np.asarray(mask >= MASK_THRESHOLD).view(np.uint8)
    if not faces or not marked.any():
        return None
    within = [_marked_in(face, marked) for face in faces]
    if any(within):
        return within.index(max(within)), 0.0
    columns, rows = _edge(marked)
    away = [_distance(face, columns, rows) for face in faces]
    return away.index(min(away)), min(away)


def _marked_in(face: Face, marked: NDArray[np.uint8]) -> int:
    """Count the mask's pixels in a face's box."""
    height, width = marked.shape
    x0, y0 = np.ceil(np.clip(face.box[:2], 0, (width, height))).astype(int)
    x1, y1 = np.floor(np.clip(face.box[2:], -1, (width, height))).astype(int)
    return int(np.count_nonzero(marked[y0 : y1 + 1, x0 : x1 + 1]))


def _edge(marked: NDArray[np.uint8]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return x and y, px, of the mask's pixels that have one beside them which is not marked.

    The nearest to what lies outside of the mask is one of them; all of a mask's pixels would take
    gigabytes at 110 megapixels.
    """
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    eroded = cv2.erode(marked, cross, borderType=cv2.BORDER_CONSTANT, borderValue=(0,))
    inner = np.asarray(eroded, np.uint8)
    x, y = np.asarray(cv2.findNonZero(marked & ~inner), np.int32).reshape(-1, 2).T
    return x, y


def _distance(face: Face, columns: NDArray[np.int32], rows: NDArray[np.int32]) -> float:
    """Return px from a face's box to the nearest of some pixels; 0 within it."""
    x0, y0, x1, y1 = (float(edge) for edge in face.box)
    beside = np.maximum(np.maximum(x0 - columns, columns - x1), 0)
    above = np.maximum(np.maximum(y0 - rows, rows - y1), 0)
    return float(np.hypot(beside, above).min())
