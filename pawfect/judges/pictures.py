"""What of a photo a remote judge is shown: a view round the hole, small, as JPEG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect.contract.tensors import MASK_THRESHOLD, check_photo_size
from pawfect.picture import raster
from pawfect.picture.box import Box
from pawfect.picture.window import with_context

# Longest side of a picture that is sent, px: what such models look at at all; more costs more.
SIDE: Final = 768
# Between two pictures side by side, px of white.
GUTTER_PX: Final = 12
# Of the outline round the hole. Nothing in a photo of a pet has that colour.
_OUTLINE: Final = (255, 0, 255)
_OUTLINE_PX: Final = 2
# JPEG's own artefacts are not to be taken for the fill's.
_QUALITY: Final = 92


@dataclass(frozen=True, eq=False)
class Shown:
    """The pictures of one judgement, UINT8 [h, w, 3] RGB, sides of at most SIDE px.

    Attributes:
        original: the view before, with the hole outlined.
        result: the same view after.
        reference: who it is to show; None where there is none.
    """

    original: NDArray[np.uint8]
    result: NDArray[np.uint8]
    reference: NDArray[np.uint8] | None


def shown(
    result: NDArray[np.uint8],
    original: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    reference: NDArray[np.uint8] | None = None,
) -> Shown:
    """Return what a judge sees.

    Args:
        result: UINT8 [H, W, 3] RGB, the photo after.
        original: UINT8 [H, W, 3] RGB, the photo before.
        mask: UINT8 [H, W], >= 128 = filled.
        reference: UINT8 [h, w, 3] RGB, who it is to show, or None.

    Raises:
        PawfectError: INVALID_ARG for sizes that differ or are out of bounds, and an empty mask.
    """
    hole = filled_of(result, original, mask, reference)
    height, width = hole.shape
    box = with_context(_bounds(hole), height, width)
    before, after = (_small(photo[box.slices]) for photo in (original, result))
    return Shown(
        _outlined(before, hole[box.slices]),
        after,
        None if reference is None else _small(reference),
    )


def filled_of(
    result: NDArray[np.uint8],
    original: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    reference: NDArray[np.uint8] | None,
) -> NDArray[np.bool_]:
    """Return what was filled, [H, W], of a judge's pictures; arguments and errors as `shown`."""
    height, width = original.shape[:2]
    check_photo_size(height, width, "ORIGINAL")
    for name, shape in (("RESULT", result.shape[:2]), ("MASK", mask.shape)):
        if shape != (height, width):
            got = f"{shape[1]}x{shape[0]}"
            raise invalid(name, f"the size of ORIGINAL, {width}x{height}", got)
    if reference is not None:
        check_photo_size(reference.shape[0], reference.shape[1], "REFERENCE")
    hole = mask >= MASK_THRESHOLD
    if not hole.any():
        raise invalid("MASK", "some of it >= 128", "nothing that is")
    return hole


def side_by_side(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return two pictures, UINT8 [h, w, 3], as one whose sides are at most SIDE px."""
    most = (SIDE - GUTTER_PX) // 2
    pair = [_within(picture, most, SIDE) for picture in (left, right)]
    height = max(picture.shape[0] for picture in pair)
    joined = np.full((height, sum(p.shape[1] for p in pair) + GUTTER_PX, 3), 255, np.uint8)
    at = 0
    for picture in pair:
        top = (height - picture.shape[0]) // 2
        joined[top : top + picture.shape[0], at : at + picture.shape[1]] = picture
        at += picture.shape[1] + GUTTER_PX
    return joined


def jpeg(picture: NDArray[np.uint8]) -> bytes:
    """Return a picture, UINT8 [h, w, 3] RGB, as a JPEG file, which holds nothing but pixels."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    written, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), quality)
    if not written:
        raise PawfectError(ErrorKind.INTERNAL, "a picture cannot be written as JPEG")
    return bytes(data)


def _bounds(hole: NDArray[np.bool_]) -> Box:
    rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def _small(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return _within(picture, SIDE, SIDE)


def _within(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Return a picture shrunk to fit; one that fits stays as it is."""
    factor = min(width / picture.shape[1], height / picture.shape[0], 1.0)
    if factor == 1.0:
        return np.ascontiguousarray(picture)
    size = [max(round(side * factor), 1) for side in picture.shape[:2]]
    return raster.shrink(picture, (size[0], size[1]))


def _outlined(view: NDArray[np.uint8], hole: NDArray[np.bool_]) -> NDArray[np.uint8]:
    seen = hole
    if hole.shape != view.shape[:2]:
        seen = raster.shrink_any(hole, (view.shape[0], view.shape[1]))
    lines, _ = cv2.findContours(seen.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    drawn = cv2.drawContours(view.copy(), lines, -1, _OUTLINE, _OUTLINE_PX)
    return np.asarray(drawn, np.uint8)
