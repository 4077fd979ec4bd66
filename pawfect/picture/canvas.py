"""Working sizes: a hole with its surroundings, resampled to one of a few sizes.

Few sizes, so that denoising steps of different requests can share a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.picture.box import Box
from pawfect.picture.window import with_context

# One side of a token in the picture: FLUX's VAE halves it three times, and its transformer takes
# 2x2 pixels of the latents as one token.
TOKEN_PX: Final = 16
# What rounding may take from a length that is a whole number of px.
_EXACT: Final = 1e-6
# Width to height of the variants of each size: those of photos, and twice as long as high for
# leashes.
ASPECTS: Final = (1 / 2, 2 / 3, 3 / 4, 1.0, 4 / 3, 3 / 2, 2.0)


@dataclass(frozen=True)
class Canvas:
    """A part of a photo and the size at which it is worked on.

    Attributes:
        box: what is cut out of the photo.
        height: working height, px, a multiple of 16.
        width: working width, px, a multiple of 16.
    """

    box: Box
    height: int
    width: int

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of tokens."""
        return self.height // TOKEN_PX, self.width // TOKEN_PX

    @property
    def tokens(self) -> int:
        """How many tokens there are."""
        return self.grid[0] * self.grid[1]

    def take(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Cut from a photo UINT8 [H, W, 3] and resample to UINT8 [height, width, 3]."""
        return _resized(np.ascontiguousarray(image[self.box.slices]), self.height, self.width)

    def take_mask(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Cut from a mask UINT8 [H, W] of 0 and 255.

        A pixel into which `take` mixes anything of a hole is of the hole: nothing of what is to
        vanish shows beside it.
        """
        part = np.ascontiguousarray(mask[self.box.slices])
        return _largest(_largest(part, self.height, 0), self.width, 1)

    def put_back(self, filled: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Resample UINT8 [height, width, 3] to the size of the box."""
        return _resized(filled, self.box.height, self.box.width)


def fit_canvas(holes: Box, height: int, width: int, sizes: Sequence[int]) -> Canvas:
    """Choose the canvas for a group of holes.

    The smallest size that holds the holes with their context pixel for pixel, then with as much
    more of the photo as it has room for; holes too large for the largest are worked on smaller.

    Args:
        holes: the bounding box of what is filled.
        height: the photo's, px.
        width: the photo's, px.
        sizes: sides of the square working sizes, px, rising.
    """
    wanted = with_context(holes, height, width, sideways=1)
    for side in sizes:
        shapes = [working_size(side, aspect) for aspect in ASPECTS]
        # Where the photo itself is smaller than the canvas, it is all there is to hold.
        holding = [(h, w) for h, w in shapes if h >= wanted.height and w >= wanted.width]
        if holding:
            best = min(holding, key=lambda shape: _misfit(shape, wanted))
            return _placed(wanted, best, 1.0, height, width)
    shapes = [working_size(sizes[-1], aspect) for aspect in ASPECTS]
    best = min(shapes, key=lambda shape: _misfit(shape, wanted))
    scale = max(wanted.height / best[0], wanted.width / best[1])
    return _placed(wanted, best, scale, height, width)


def whole_canvas(height: int, width: int, side: int) -> Canvas:
    """Return the canvas of a whole picture: at its own size, or at a square's area if that is less.

    Args:
        height: of the picture, px.
        width: of the picture, px.
        side: of the square, px. Sides are rounded down to multiples of 16, but for the least.
    """
    scale = min(1.0, side / float(np.sqrt(height * width)))
    rows, columns = (
        max(TOKEN_PX, int(length * scale + _EXACT) // TOKEN_PX * TOKEN_PX)
        for length in (height, width)
    )
    return Canvas(Box(0, 0, width, height), rows, columns)


def working_size(side: int, aspect: float) -> tuple[int, int]:
    """Return (height, width), px, of about the area of a square of `side`, width over height."""
    root = float(np.sqrt(aspect))
    return _snapped(side / root), _snapped(side * root)


def _snapped(length: float) -> int:
    return max(TOKEN_PX, round(length / TOKEN_PX) * TOKEN_PX)


def _misfit(shape: tuple[int, int], box: Box) -> float:
    return abs(float(np.log(shape[1] / shape[0] * box.height / box.width)))


def _placed(wanted: Box, shape: tuple[int, int], scale: float, height: int, width: int) -> Canvas:
    """Grow the box to the canvas's own shape, as far as the photo goes."""
    y0, y1 = _grown(wanted.y0, wanted.y1, round(shape[0] * scale), height)
    x0, x1 = _grown(wanted.x0, wanted.x1, round(shape[1] * scale), width)
    return Canvas(Box(x0, y0, x1, y1), *shape)


def _grown(low: int, high: int, length: int, most: int) -> tuple[int, int]:
    """Grow an interval evenly to a length, shifted to lie within 0 to `most`."""
    length = min(max(length, high - low), most)
    start = (low + high - length) // 2
    start = min(max(start, 0), most - length)
    return start, start + length


def _resized(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resample UINT8 [h, w, 3]: where it shrinks by means of areas, then, where it grows, cubic.

    One axis may do the one and one the other; OpenCV takes means only where neither grows.
    """
    smaller = min(height, image.shape[0]), min(width, image.shape[1])
    for (rows, columns), way in ((smaller, cv2.INTER_AREA), ((height, width), cv2.INTER_CUBIC)):
        if image.shape[:2] != (rows, columns):
            image = np.asarray(cv2.resize(image, (columns, rows), interpolation=way), np.uint8)
    return image


def _largest(plane: NDArray[np.uint8], length: int, axis: int) -> NDArray[np.uint8]:
    """Resample one axis of [H, W]: the largest of all that `_resized` mixes into each pixel."""
    whole = plane.shape[axis]
    if length == whole:
        return plane
    at = np.arange(length)
    if length < whole:
        low, high = at * whole // length, -(-(at + 1) * whole // length)
    else:
        # Cubic interpolation reads two pixels on either side of where a pixel's centre falls.
        left = np.floor((at + 0.5) * whole / length - 0.5).astype(np.int64)
        low, high = np.maximum(left - 1, 0), np.minimum(left + 3, whole)
    if axis == 0:
        return np.stack([plane[a:b].max(axis=0) for a, b in zip(low, high, strict=True)])
    return np.stack([plane[:, a:b].max(axis=1) for a, b in zip(low, high, strict=True)], axis=1)
