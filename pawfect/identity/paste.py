"""A drawn face laid back over the photo: the network's change, not its square.

The naive way warps the drawn square over the photo, and loses what the photo has more than the
square: a face of 600 px becomes one of 128. Here the photo keeps its own pixels where the network
left a face's structure as it was, and is the network's where that drew another:

    photo + w * (up(drawn - seen) - change * (photo - up(seen)))

`up` samples a square at the photo's pixels; `photo - up(seen)` is the detail that the square does
not show. `change` is 0 where the network changed nothing but colour and light, there the detail
stays (pores, grain, stubble); it is 1 where it drew other edges, and there the formula is
`up(drawn)` in full strength, without a ghost of the old ones. A network that returns what it sees
gives the photo back, to the last bit.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.identity.alignment import NETWORK_PX, inverse, transformed
from pawfect.identity.swap import DrawnFace
from pawfect.picture import raster

# px of a square of 128: structure is what differs from its surroundings of this size,
_STRUCTURE_PX: Final = 2.0
# and it is compared over so much.
_COMPARED_PX: Final = 3.0
# Of 255: structure fainter than this counts as grain, which no network is asked to keep.
_FAINT: Final = 4.0
# Share of the structure that is another's, and from which the detail under it is not kept at all:
# a half is what two faces that have nothing to do with each other show.
_ANOTHERS: Final = 0.5
# px of a square of 128: from its edge inwards nothing is laid over the photo, and from there it
# rises to the full.
EDGE_PX: Final = 3.0
RISE_PX: Final = 8.0
# px of the photo, rows that are laid over at a time: all at once a face took 99 bytes for each of
# its pixels, 11 GB where it fills 110 megapixels; so it takes 12 (measured at 9 megapixels).
_BAND_PX: Final = 256


def pasted(
    photo: NDArray[np.uint8], face: DrawnFace, weight: NDArray[np.float32]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Lay a drawn face back over its photo.

    Args:
        photo: UINT8 [H, W, 3] RGB.
        face: of the photo.
        weight: FP32 [H, W], 0 to 1, how much is painted; less at the square's edge.

    Returns:
        The picture, UINT8 [H, W, 3] RGB, the photo itself where nothing was painted; and how much
        of each pixel was, UINT8 [H, W].
    """
    image, painted = photo.copy(), np.zeros(photo.shape[:2], np.uint8)
    touched = _touched(face, photo.shape[0], photo.shape[1])
    if touched is None:
        return image, painted
    scale = float(np.hypot(*face.matrix[:, 0]))
    squares = [
        _for_sampling(square, scale)
        for square in (face.seen.astype(np.float32), face.drawn, _changed(face)[..., None])
    ]
    rows, columns = touched
    for top in range(rows.start, rows.stop, _BAND_PX):
        at = slice(top, min(top + _BAND_PX, rows.stop)), columns
        x, y = _positions(face.matrix, at)
        own = np.minimum(_square_weight(face, x, y), weight[at])
        part = photo[at].astype(np.float32)
        seen, drawn, change = (_sampled(square, x, y, scale) for square in squares)
        # 0 wherever the network changed nothing: the photo's own pixel, exactly.
        difference = drawn - seen - change * (part - seen)
        image[at] = raster.to_pixels(part + own[..., None] * difference)
        painted[at] = np.rint(255 * own)
    return image, painted


def _touched(face: DrawnFace, height: int, width: int) -> tuple[slice, slice] | None:
    """Return the photo's pixels round the square; None where it lies outside."""
    side = len(face.seen) - 1
    corners = transformed(
        inverse(face.matrix), np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float64)
    )
    low = np.maximum(np.floor(corners.min(axis=0)), 0).astype(int)
    high = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 1, (width, height))
    if (low >= high).any():
        return None
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def _positions(
    matrix: NDArray[np.float64], at: tuple[slice, slice]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return where in the square the photo's pixels lie: x and y, FP32 [h, w]."""
    rows = np.arange(at[0].start, at[0].stop)[:, None]
    columns = np.arange(at[1].start, at[1].stop)[None]
    x, y = (row[0] * columns + row[1] * rows + row[2] for row in matrix)
    return x.astype(np.float32), y.astype(np.float32)


def _square_weight(
    face: DrawnFace, x: NDArray[np.float32], y: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return how much the square paints, FP32 [h, w]: all, less at its edge."""
    side = len(face.seen)
    unit = side / NETWORK_PX
    edge = np.minimum.reduce([x, y, side - 1 - x, side - 1 - y]) / np.float32(unit)
    return np.asarray(np.clip((edge - EDGE_PX) / RISE_PX, 0, 1), np.float32)


def _changed(face: DrawnFace) -> NDArray[np.float32]:
    """Return where the network drew another structure than it saw, FP32 [S, S], 0 to 1."""
    unit = len(face.seen) / NETWORK_PX
    seen, drawn = face.seen.astype(np.float32), np.clip(face.drawn, 0, 255)

    def structure(square: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.subtract(square, raster.gaussian(square, _STRUCTURE_PX * unit))

    def energy(square: NDArray[np.float32]) -> NDArray[np.float32]:
        return raster.gaussian(np.square(square).mean(axis=2), _COMPARED_PX * unit)

    before, after = structure(seen), structure(drawn)
    other = energy(after - before) / (energy(before) + energy(after) + _FAINT**2)
    return np.asarray(np.clip(other / _ANOTHERS, 0, 1), np.float32)


def _for_sampling(square: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Return a square [S, S, C] for the photo's pixels: where those are fewer, its means."""
    if scale <= 1:
        return square
    # As wide as a pixel of the photo, less what sampling itself spreads.
    return raster.gaussian(square, 0.5 * float(np.sqrt(scale**2 - 1)) + 1e-3)


def _sampled(
    square: NDArray[np.float32], x: NDArray[np.float32], y: NDArray[np.float32], scale: float
) -> NDArray[np.float32]:
    """Sample a square [S, S, C] at positions.

    OpenCV samples at 1/32 px of the square.

    Args:
        square: of `_for_sampling`.
        x: FP32 [h, w], px.
        y: likewise.
        scale: px of the square to one of the photo.
    """
    kind = cv2.INTER_LINEAR if scale > 1 else cv2.INTER_CUBIC
    out = cv2.remap(square, x, y, kind, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(out if out.ndim == square.ndim else out[..., None], np.float32)
