"""Which of what a network takes for the subject a fill leaves alone.

What the user marked is to go, however much it looks like a subject: a hand with a leash. So is its
rim that a mask drawn by hand left out. And where the subject goes on under a hole, as under a
collar or behind a toy, it is what the hole is to be filled with.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.tensors import MASK_THRESHOLD
from pawfect.picture import raster
from pawfect.picture.box import Box
from pawfect.picture.growth import auto_dilate_px
from pawfect.picture.mask import LEAST_SPECK_PX, SPECK_LARGEST_SHARE

SUBJECT: Final = 0.5
"""From this alpha on a pixel is the subject's."""
LEAST_SHARE: Final = 5e-4
"""Parts of the subject under this share of the photo are the network's noise, not a pet."""
FUR_PX: Final = 3
"""Tips of fur that near to a part belong to it, though a network's threshold cut them off."""
MARKED_SHARE: Final = 0.5
"""A part of the subject that the mask covers by this share is what is to go."""
DISC_SHARE: Final = 2.0
"""Radius of the disc that tells what goes on under a hole, by the hole's own half width."""
UNDER_SHARE: Final = 0.1
"""A part of the subject whose closing covers this share of a hole goes on under it."""
JUDGED_PX: Final = 1536
"""Longer side, px, at which that is judged: a network saw less of the photo."""
CLOSING_PX: Final = 24
"""Radius, px, at which that is computed: a disc of twice the radius takes four times as long."""


@dataclass(frozen=True, eq=False)
class Protection:
    """What is left alone.

    Attributes:
        mask: UINT8 [H, W], 255 = neither filled nor copied from; None: nothing is.
        marked: parts of the subject that go, since the mask marks them.
        under: parts that go on under a hole.
    """

    mask: NDArray[np.uint8] | None
    marked: int
    under: int


def protection(alpha: NDArray[np.float32], mask: NDArray[np.uint8]) -> Protection:
    """Return what a fill leaves alone.

    Args:
        alpha: FLOAT32 [H, W], 0 to 1, what a network takes for the subject.
        mask: UINT8 [H, W], >= 128 = to be filled, as the user drew it.
    """
    hole = mask >= MASK_THRESHOLD
    factor = max(mask.shape) / JUDGED_PX
    if factor <= 1:
        judged = _judged(alpha >= SUBJECT, hole)
        kept = judged.kept
    else:
        size = round(mask.shape[0] / factor), round(mask.shape[1] / factor)
        small = raster.box_mean_resize(alpha[..., None], size)[..., 0] >= SUBJECT
        judged = _judged(small, raster.shrink_any(hole, size))
        # One pixel more, since at full size each edge lies within one of the small ones.
        near = raster.grow(judged.kept, 1).view(np.uint8)
        whole = cv2.resize(near, mask.shape[::-1], interpolation=cv2.INTER_NEAREST)
        kept = whole.view(np.bool_) & (alpha >= SUBJECT) & ~hole
    found = np.where(kept, np.uint8(255), np.uint8(0)) if kept.any() else None
    return Protection(found, judged.marked, judged.under)


@dataclass(frozen=True, eq=False)
class _Judged:
    """What of a subject is kept, BOOL [h, w], and how many parts are not, as in `Protection`."""

    kept: NDArray[np.bool_]
    marked: int
    under: int


def _judged(subject: NDArray[np.bool_], hole: NDArray[np.bool_]) -> _Judged:
    joined = raster.grow(subject, FUR_PX).view(np.uint8)
    count, labelled = cv2.connectedComponents(joined, connectivity=8)
    parts = np.where(subject, labelled, 0).astype(np.int32)
    covered = np.bincount(parts[hole], minlength=count)
    areas = np.bincount(parts.ravel(), minlength=count)
    goes = (covered >= MARKED_SHARE * areas) | (areas < LEAST_SHARE * hole.size)
    goes[0] = True
    kept = ~goes[parts] & ~hole
    kept &= ~_left_over(kept, hole)
    under = _under(hole, np.where(kept, parts, 0), count)
    kept &= ~under[parts]
    marked = np.count_nonzero(goes[1:] & (covered[1:] > 0))
    return _Judged(kept, int(marked), int(np.count_nonzero(under)))


def _under(hole: NDArray[np.bool_], parts: NDArray[np.int32], count: int) -> NDArray[np.bool_]:
    """Return which of what is left of the subject's parts go on under a hole: BOOL [count].

    Those that a disc somewhat wider than the hole, rolled along their outside, does not follow
    into it: their closing covers some of the hole.
    """
    under, nothing = np.zeros(count, np.bool_), np.arange(count) == 0
    tall, holes, stats, _ = cv2.connectedComponentsWithStats(hole.view(np.uint8), connectivity=8)
    largest = int(stats[1:, cv2.CC_STAT_AREA].max(initial=0))
    for index in range(1, tall):
        x, y, w, h, area = stats[index]
        if area < min(LEAST_SPECK_PX, SPECK_LARGEST_SHARE * largest):
            # The mask's cleaning drops it.
            continue
        reach = _around(Box(x, y, x + w, y + h), 2 * max(w, h) + 3, hole.shape)
        if (under | nothing)[parts[reach.slices]].all():
            continue
        own = np.pad(holes[y : y + h, x : x + w] == index, 1)
        radius = math.ceil(DISC_SHARE * float(raster.distance_to(~own).max()))
        near = _around(Box(x, y, x + w, y + h), 2 * radius + 1, hole.shape)
        for part in np.flatnonzero(np.bincount(parts[near.slices].ravel(), minlength=count)):
            if part and not under[part]:
                rest, opening = parts[near.slices] == part, holes[near.slices] == index
                under[part] = _covered(rest, opening, radius) >= UNDER_SHARE
    return under


def _covered(part: NDArray[np.bool_], hole: NDArray[np.bool_], radius: int) -> float:
    """Return the share of a hole that the closing of a part with a disc covers."""
    factor = max(1.0, radius / CLOSING_PX)
    size = max(1, round(part.shape[0] / factor)), max(1, round(part.shape[1] / factor))
    small, opening = raster.shrink_any(part, size), raster.shrink_any(hole, size)
    side = 2 * round(radius / factor) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    closed = cv2.morphologyEx(small.view(np.uint8), cv2.MORPH_CLOSE, disc).view(np.bool_)
    only = opening & ~small
    return float(np.count_nonzero(closed & only)) / max(int(np.count_nonzero(only)), 1)


def _around(box: Box, margin: int, size: tuple[int, ...]) -> Box:
    return Box(
        max(box.x0 - margin, 0),
        max(box.y0 - margin, 0),
        min(box.x1 + margin, size[1]),
        min(box.y1 + margin, size[0]),
    )


def _left_over(kept: NDArray[np.bool_], hole: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return what of the subject beside a hole is too thin to be more than the hole's own rim."""
    rim_px = auto_dilate_px(*hole.shape)
    left_over = np.zeros_like(hole)
    # Beyond that nothing that is judged is reached.
    at = raster.surrounding(hole, 4 * rim_px)
    own, near = kept[at], raster.grow(hole[at], rim_px)
    deep = raster.distance_to(~own) > rim_px if not own.all() else own
    # The tips and corners of what is thick belong to it.
    thick = raster.distance_to(deep) <= 2 * rim_px if deep.any() else deep
    thin = near & own & ~thick
    _, pieces = cv2.connectedComponents(thin.view(np.uint8), connectivity=8)
    beside = np.unique(pieces[thin & raster.grow(hole[at], 1)])
    left_over[at] = thin & np.isin(pieces, beside)
    return left_over
