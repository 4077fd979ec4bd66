"""The mask of a face: where a swap and its refinement may paint, and how much.

The face's shape united with the user's mask; from that, what is protected and what lies before the
face is left out, and the rest is eroded and feathered inwards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.faces import Face
from pawfect.contract.tensors import MASK_THRESHOLD
from pawfect.identity.nearest import meant_face
from pawfect.identity.occluders import before_face
from pawfect.identity.shape import face_shape, frame_of
from pawfect.picture import raster

ERODE_PX: Final = 3
FEATHER_PX: Final = 25
# Of the mask's inner radius, its largest distance from the outside: small masks are eroded by at
# most so much of it, and feathered over at most so much of what is left. From 100 px of it on that
# is the full feather; of a face 100 px wide it is 10 px, where 25 would leave its old eyes, which
# are so near to the brows, three quarters of what is seen.
_MOST_ERODED: Final = 0.25
_MOST_FEATHERED: Final = 0.25


# Of the way from the eyes to the mouth: so far outside of a face's shape a swap alone is painted in
# full, which is up to the brows' upper edges, and so far at all.
FULL_OUT: Final = 0.30
ALL_OUT: Final = 0.55
# px: over so much the weight rises beside what lies before a face.
BESIDE_PX: Final = 2


@dataclass(frozen=True, eq=False)
class FaceMask:
    """A face's mask.

    Attributes:
        face: the face's place among those that were found; None: there was none, and the mask is
            the user's.
        full: UINT8 [H, W], 255 or 0, before anything is left out or eroded.
        before: [H, W], what was found to lie before the face; it is not painted.
        weight: FP32 [H, W], 0 to 1, how much is painted; 0 outside of `full`, 1 in its interior.
        feather_px: over which the weight rises from 0 to 1.
    """

    face: int | None
    full: NDArray[np.uint8]
    before: NDArray[np.bool_]
    weight: NDArray[np.float32]
    feather_px: float


def face_mask(
    photo: NDArray[np.uint8],
    faces: Sequence[Face],
    mask: NDArray[np.uint8] | None = None,
    protect: NDArray[np.uint8] | None = None,
) -> FaceMask:
    """Return the mask of the face that is meant, see `meant_face`.

    Args:
        photo: UINT8 [H, W, 3] RGB.
        faces: that were found in it, best first.
        mask: the user's, UINT8 [H, W], 255 = paint.
        protect: what is never painted, UINT8 [H, W], such as a paw before the face.

    Returns:
        Without a face the user's mask as it is, neither eroded nor feathered.
    """
    height, width = photo.shape[:2]
    asked = np.zeros((height, width), np.bool_) if mask is None else mask >= MASK_THRESHOLD
    banned = np.zeros_like(asked) if protect is None else protect >= MASK_THRESHOLD
    chosen = meant_face(faces, mask)
    if chosen is None:
        weight = (asked & ~banned).astype(np.float32)
        return FaceMask(None, _bytes(asked), np.zeros_like(asked), weight, 0.0)
    # Another face that the user's mask touches is not the one that is meant.
    for place, other in enumerate(faces):
        if place != chosen:
            asked &= ~face_shape(other, height, width)
    shape = face_shape(faces[chosen], height, width)
    before = before_face(photo, faces[chosen], shape)
    weight, feather_px = feathered((shape | asked) & ~banned & ~before)
    return FaceMask(chosen, _bytes(shape | asked), before, weight, feather_px)


def own_weight(
    photo: NDArray[np.uint8], face: Face
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return how much a swap alone paints, where no mask says it: the face and a little round it.

    Wider than any mask of the face, brows and all, so that a mask laid over it is painted in full.

    Args:
        photo: UINT8 [H, W, 3] RGB.
        face: in it; its five points suffice.

    Returns:
        FP32 [H, W], 0 to 1, and what lies before the face, [H, W], of which nothing is painted. All
        of it where the points are too odd for a shape: then the aligned square is the bound.
    """
    shape = face_shape(face, *photo.shape[:2])
    before = before_face(photo, face, shape)
    frame = frame_of(face.points)
    if frame is None or not shape.any():
        return np.ones(shape.shape, np.float32), before
    weight = np.zeros(shape.shape, np.float32)
    at = raster.surrounding(shape, math.ceil(ALL_OUT * frame.unit))
    away = raster.distance_to(shape[at]) / np.float32(frame.unit)
    part = np.clip((ALL_OUT - away) / (ALL_OUT - FULL_OUT), 0, 1)
    if before.any():
        part *= np.clip(raster.distance_to(before[at]) / BESIDE_PX, 0, 1)
    weight[at] = part
    return weight, before


def feathered(flags: NDArray[np.bool_]) -> tuple[NDArray[np.float32], float]:
    """Return how much is painted of a mask, and over which distance from its edge that rises.

    The mask is eroded by ERODE_PX; in what is left the weight rises with the distance from the
    outside, 0 there, to 1 at FEATHER_PX. Where the mask is narrow, both are less: at most a quarter
    of its inner radius is eroded, and of what is left a quarter is feathered. The photo's border
    is no edge.

    Args:
        flags: [H, W].

    Returns:
        FP32 [H, W], 0 to 1, and px.
    """
    weight = np.zeros(flags.shape, np.float32)
    if not flags.any():
        return weight, 0.0
    if flags.all():
        return np.ones(flags.shape, np.float32), 0.0
    at = raster.surrounding(flags, 1)
    depth = _depth(flags[at])
    erode = min(float(ERODE_PX), _MOST_ERODED * float(depth.max()))
    inside = depth > erode
    left = _depth(inside)
    feather = min(float(FEATHER_PX), max(1.0, _MOST_FEATHERED * float(left.max())))
    weight[at] = np.clip(left / np.float32(feather), 0, 1)
    return weight, feather


def _depth(flags: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return each set pixel's distance, px, from the nearest that is not; 0 outside."""
    if flags.all():
        return np.full(flags.shape, np.inf, np.float32)
    out = cv2.distanceTransform(flags.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(out, np.float32)


def _bytes(flags: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.where(flags, np.uint8(255), np.uint8(0))
