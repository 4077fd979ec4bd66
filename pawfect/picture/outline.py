"""Outlines: strokes drawn round an object instead of over it, and the areas that they enclose."""

from __future__ import annotations

import math
from typing import Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.picture.growth import on_grid

# A stroke round an object encloses at least this share of its own area, at any width that leaves
# the object visible; the gap between a body and an arm is far less of both.
ENCLOSED_SHARE: Final = 0.25
# Outlines are looked for at no more pixels than these: a ring of any use survives that.
SOUGHT_AT_PIXELS: Final = 1e6
_LEFT, _TOP, _RIGHT, _BOTTOM = range(4)

# Whether the left, top, right and bottom side of a window is the photo's own edge.
Edges = tuple[bool, bool, bool, bool]


def enclosed(hole: NDArray[np.bool_], edges: Edges) -> tuple[NDArray[np.bool_], int]:
    """Find what a mask encloses, itself or together with an edge or a corner of the photo.

    Args:
        hole: BOOL [h, w], the mask in a window that holds all of it.
        edges: of the window.

    Returns:
        BOOL [h, w], and the number of areas.
    """
    labels, _, met, beyond = _gaps(hole.view(np.uint8), edges)
    inside = _is_inside(met, beyond)
    return inside[labels], int(inside.sum())


def count_outlines(hole: NDArray[np.bool_], edges: Edges, least_px: float) -> int:
    """Count the areas whose strokes are thin against them: probably the insides of outlines.

    An edge of the photo may close an outline, a corner may not: what meets both sides of one is
    more often a leash that leaves the photo there.

    Args:
        hole: BOOL [h, w], the mask in a window that holds all of it.
        edges: of the window.
        least_px: the smallest area that counts, px2.
    """
    step = math.ceil(math.sqrt(hole.size / SOUGHT_AT_PIXELS))
    coarse = on_grid(hole.view(np.uint8), step)
    labels, stats, met, beyond = _gaps(coarse, edges)
    large = stats[:, cv2.CC_STAT_AREA] * step**2 >= least_px
    found = np.flatnonzero(_is_inside(met, beyond) & large & (met.sum(axis=1) <= 1))
    if not found.size:
        return 0
    strokes, of_strokes = _components(coarse, connectivity=8)
    around = [_stroke_at(gap, labels, stats, strokes) for gap in found]
    thin = ENCLOSED_SHARE * of_strokes[around, cv2.CC_STAT_AREA]
    return int(np.count_nonzero(stats[found, cv2.CC_STAT_AREA] >= thin))


def _gaps(
    hole: NDArray[np.uint8], edges: Edges
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_], NDArray[np.bool_]]:
    """Label what a mask UINT8 [h, w] leaves; label 0 is the mask itself.

    Returns:
        Labels INT32 [h, w]; OpenCV's statistics of each; BOOL [K, 4], the sides of the window that
        each meets; BOOL [K], whether it is the mask or goes on beyond the window.
    """
    # 4-connected: the complement of 8-connected holes.
    labels, stats = _components((hole == 0).view(np.uint8), connectivity=4)
    met = np.zeros((len(stats), 4), np.bool_)
    for side, rim in enumerate((labels[:, 0], labels[0], labels[:, -1], labels[-1])):
        met[rim, side] = True
    beyond = (met & ~np.array(edges)).any(axis=1)
    beyond[0] = True
    return labels, stats, met, beyond


def _components(
    flags: NDArray[np.uint8], connectivity: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return labels INT32 [h, w] and OpenCV's statistics INT32 [K, 5] of each."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(flags, connectivity=connectivity)
    return cast("NDArray[np.int32]", labels), cast("NDArray[np.int32]", stats)


def _is_inside(met: NDArray[np.bool_], beyond: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say of each area whether it is enclosed: it does not reach across the photo; BOOL [K]."""
    across = (met[:, _LEFT] & met[:, _RIGHT]) | (met[:, _TOP] & met[:, _BOTTOM])
    return ~(beyond | across)


def _stroke_at(
    gap: int, labels: NDArray[np.int32], stats: NDArray[np.int32], strokes: NDArray[np.int32]
) -> int:
    """Return the label of the stroke next to a gap that meets at most one side of the window."""
    top = int(stats[gap, cv2.CC_STAT_TOP])
    end = top + int(stats[gap, cv2.CC_STAT_HEIGHT])
    row, beside = (top, top - 1) if top > 0 else (end - 1, end)
    return int(strokes[beside, int(np.argmax(labels[row] == gap))])
