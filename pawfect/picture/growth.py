"""How far a mask grows: 8-16 px round compact holes, less round thin strokes.

A grown mask covers a segmenter's missed rim, JPEG ringing and soft edges. Round a line 3 px wide
8 px of that would be six times the line itself, so there the growth is a share of the width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

MIN_DILATE_PX: Final = 8
MAX_DILATE_PX: Final = 16
# A stroke grows by this share of its own width to each side: a round spot then comes to 2.8 times
# its area, a line to 1.7 times, and both still reach over their own soft edge.
WIDTH_SHARE: Final = 1 / 3
# Below this, px, an edge's anti-aliasing would stay in the photo.
LEAST_DILATE_PX: Final = 2
# Growth in px below the full one, each some sqrt(2) times the last: finer steps cost a pass each.
STEPS: Final = (2, 3, 4, 6, 8, 11)
# What lies within this many widths of a wide enough place belongs to it: corners and the tips of
# fingers grow as the hand does. On the nine benchmark scenes that have strokes or fingers: 0.061
# ST-LPIPS, with one width 0.065, where everything grows in full 0.064.
REACH_WIDTHS: Final = 2
# Nearness is looked up on every fourth pixel.
_GRID_PX: Final = 4
# Far less than distances differ by, far more than OpenCV's rounding of them.
_ROUNDING_PX: Final = 0.01


@dataclass(frozen=True, eq=False)
class Growth:
    """A grown mask.

    Attributes:
        hole: BOOL [h, w].
        most_px: the farthest that it grew, px.
        least_px: the least that any part of it grew, px.
    """

    hole: NDArray[np.bool_]
    most_px: float
    least_px: float


def auto_dilate_px(height: int, width: int) -> int:
    """Return the growth of compact holes in an image of this size: 8 px to 1 MP, 16 px from 4."""
    scaled = round(MIN_DILATE_PX * math.sqrt(height * width / 1e6))
    return min(max(scaled, MIN_DILATE_PX), MAX_DILATE_PX)


def grown_evenly(squared: NDArray[np.float32], px: int) -> Growth:
    """Grow a mask by the same everywhere.

    Args:
        squared: FLOAT32 [h, w], the squared distance to the mask, px2.
        px: how far.
    """
    return Growth(squared <= px * px, px, px)


def grown_by_width(marked: NDArray[np.uint8], squared: NDArray[np.float32], full_px: int) -> Growth:
    """Grow a mask by a share of its local width, from 2 px to `full_px`.

    Args:
        marked: UINT8 [h, w], 1 = the mask.
        squared: FLOAT32 [h, w], the squared distance to it, px2.
        full_px: growth of compact holes, px.
    """
    depth = cv2.distanceTransform(marked, cv2.DIST_L2, cv2.DIST_MASK_5)
    deepest = float(depth.max())
    hole = np.zeros(marked.shape, np.bool_)
    added: list[int] = []
    for px in (full_px, *(step for step in reversed(STEPS) if step < full_px)):
        width = px / WIDTH_SHARE
        shell = squared <= px * px
        if px > LEAST_DILATE_PX:
            if deepest < width / 2 - _ROUNDING_PX:
                continue
            wide = (depth >= width / 2 - _ROUNDING_PX).view(np.uint8)
            shell &= _near(wide, REACH_WIDTHS * width + px)
        before = cv2.countNonZero(hole.view(np.uint8))
        hole |= shell
        if cv2.countNonZero(hole.view(np.uint8)) > before:
            added.append(px)
        if not (marked.view(np.bool_) > shell).any():
            break
    return Growth(hole, added[0], added[-1])


def _near(flags: NDArray[np.uint8], radius: float) -> NDArray[np.bool_]:
    """Say what lies within about `radius` px of a set pixel, in both directions; BOOL [h, w]."""
    height, width = flags.shape
    cells = math.ceil(radius / _GRID_PX)
    square = np.ones((2 * cells + 1, 2 * cells + 1), np.uint8)
    coarse = cv2.dilate(on_grid(flags, _GRID_PX), square)
    size = (coarse.shape[1] * _GRID_PX, coarse.shape[0] * _GRID_PX)
    fine = cv2.resize(coarse, size, interpolation=cv2.INTER_NEAREST)
    near: NDArray[np.bool_] = fine[:height, :width].astype(np.bool_)
    return near


def on_grid(flags: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """Shrink flags UINT8 [h, w] `step` times, rounded up: set where any covered pixel is."""
    spread = cv2.dilate(flags, np.ones((step, step), np.uint8), anchor=(0, 0))
    return np.ascontiguousarray(spread[::step, ::step])
