"""Where a fill is worst: what a local search will search anew."""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.picture import raster
from pawfect.picture.tone import blur_known
from pawfect.scores import texture
from pawfect.scores.closeup import Closeup, closeup, groups
from pawfect.scores.seam import step_map

# Of the filled area: what is worst of it.
WORST_SHARE: Final = 1 / 3
# A fault's reach as a share of the hole's size, at least, px: specks are no part to search anew.
_REACH_SHARE: Final = 0.08
_LEAST_REACH_PX: Final = 3.0
# What counts as much as another, as in the judge's scales: a seam's and a tone's step, CIE76, and
# a texture's distance in logs of energy.
_SEAM_UNIT: Final = 8.0
_TONE_UNIT: Final = 1.5
_TEXTURE_UNIT: Final = 0.5
# Parts of less than this share of the hole are specks, and go.
_SPECK_SHARE: Final = 0.04
# Where all is equally good, what lies farthest from the photo is the likeliest to be wrong: a tie
# is broken by it, and no more.
_DEPTH_WEIGHT: Final = 1e-3


def worst_part(result: NDArray[np.uint8], hole: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the worst third of a fill, by seam, texture, sharpness and tone where they are.

    The same arguments give the same part.

    Args:
        result: UINT8 [H, W, 3] RGB, the photo after.
        hole: UINT8 [H, W], 255 = filled.

    Returns:
        UINT8 [H, W], 255 in about a third of what was filled: smooth, without specks, within the
        hole; never empty.

    Raises:
        ValueError: sizes that differ, or nothing was filled.
    """
    if result.shape != (*hole.shape, 3):
        raise ValueError(f"result: expected {[*hole.shape, 3]}, got {list(result.shape)}")
    filled = hole >= 128
    if not filled.any():
        raise ValueError("hole: expected something >= 128, got nothing")
    boxes = groups(filled)
    faults = []
    for box in boxes:
        close = closeup(result, result, filled, box)
        fault = cv2.resize(_fault(close), (box.width, box.height))
        faults.append(np.asarray(fault, np.float32))
    values = np.concatenate([f[filled[b.slices]] for f, b in zip(faults, boxes, strict=True)])
    chosen, worst, begin = _largest(values, WORST_SHARE), np.zeros_like(filled), 0
    for box in boxes:
        own = filled[box.slices]
        end = begin + np.count_nonzero(own)
        worst[box.slices][own] = chosen[begin:end]
        begin = end
    at, area = raster.surrounding(worst, 0), int(np.count_nonzero(filled))
    part = np.zeros_like(hole)
    part[at] = _without_specks(worst[at], area)
    return part


def _largest(values: NDArray[np.float32], share: float) -> NDArray[np.bool_]:
    """Return which of N values belong to the largest share, at least one; of equals the first."""
    count = max(round(share * values.size), 1)
    least = np.partition(values, values.size - count)[values.size - count]
    chosen = values > least
    equal = np.flatnonzero(values == least)
    chosen[equal[: count - np.count_nonzero(chosen)]] = True
    return np.asarray(chosen)


def _fault(close: Closeup) -> NDArray[np.float32]:
    """Return how wrong a fill is at each pixel, FLOAT32 [h, w]; about 1 is plain to see."""
    hole = close.hole
    size = math.sqrt(np.count_nonzero(hole))
    reach = max(_REACH_SHARE * size, _LEAST_REACH_PX)
    depth = np.where(hole, -close.distance, np.float32(0))
    fault = depth * np.float32(_DEPTH_WEIGHT / max(float(depth.max()), 1.0))
    if not hole.all():
        steps, rim = step_map(close.image, hole)
        fault += _spread(steps / _SEAM_UNIT, rim, reach)
    blocks = texture.blocks_of(close)
    if blocks is not None:
        fill, ring = blocks
        off = texture.nearest(fill.textures, ring.textures) / _TEXTURE_UNIT
        off += texture.nearest(fill.tones, ring.tones) / _TONE_UNIT
        known = np.zeros_like(hole)
        rows, columns = fill.places.astype(np.intp).T
        known[rows, columns] = True
        values = np.zeros(hole.shape, np.float32)
        values[rows, columns] = off
        fault += _near(values, known, reach)
    return _near(fault, hole, reach)


def _spread(
    values: NDArray[np.float32], known: NDArray[np.bool_], reach: float
) -> NDArray[np.float32]:
    """Return what is known at a line as it fades with the distance from it."""
    fading = np.exp(-raster.distance_to(known) / np.float32(2 * reach))
    return np.asarray(_near(values, known, reach) * fading, np.float32)


def _near(
    values: NDArray[np.float32], known: NDArray[np.bool_], reach: float
) -> NDArray[np.float32]:
    """Return the mean of what is known nearby; 0 where nothing is."""
    return blur_known(values[..., None], known, reach)[0][..., 0]


def _without_specks(part: NDArray[np.bool_], area: int) -> NDArray[np.uint8]:
    """Return a part as a mask without its specks; the largest of it stays."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(part.view(np.uint8), connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    keep = (areas >= _SPECK_SHARE * area) | (areas == areas.max())
    keep[0] = False
    return np.where(keep[labels], np.uint8(255), np.uint8(0))
