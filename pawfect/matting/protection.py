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

SUBJECT: Final = 0.5
"""From this alpha on a pixel is the subject's."""
MARKED_SHARE: Final = 0.5
"""A part of the subject that the mask covers by this share is what is to go."""
DISC_SHARE: Final = 2.0
"""Radius of the disc that tells what goes on under a hole, by the hole's own half width."""
UNDER_SHARE: Final = 0.1
"""A part of the subject whose closing covers this share of a hole goes on under it."""
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
    subject = (alpha >= SUBJECT).view(np.uint8)
    count, labelled, stats, _ = cv2.connectedComponentsWithStats(subject, connectivity=8)
    parts = np.asarray(labelled, np.int32)
    covered = np.bincount(parts[hole], minlength=count)
    areas = stats[:, cv2.CC_STAT_AREA]
    goes = covered >= MARKED_SHARE * areas
    under = _under(hole, parts, count)
    stays = ~(goes | under)
    stays[0] = False
    kept = stays[parts] & ~hole
    kept &= ~_left_over(kept, hole)
    found = kept.any()
    return Protection(
        kept.astype(np.uint8) * np.uint8(255) if found else None,
        int(np.count_nonzero(goes[1:] & (covered[1:] > 0))),
        int(np.count_nonzero(under[1:] & ~goes[1:])),
    )


def _under(hole: NDArray[np.bool_], parts: NDArray[np.int32], count: int) -> NDArray[np.bool_]:
    """Return which parts of the subject go on under a hole: BOOL [count].

    Those that a disc somewhat wider than the hole, rolled along their outside, does not follow
    into it: their closing covers some of the hole.
    """
    under = np.zeros(count, np.bool_)
    tall, holes, stats, _ = cv2.connectedComponentsWithStats(hole.view(np.uint8), connectivity=8)
    for index in range(1, tall):
        x, y, w, h, _ = stats[index]
        own = np.pad(holes[y : y + h, x : x + w] == index, 1)
        radius = math.ceil(DISC_SHARE * float(raster.distance_to(~own).max()))
        near = _around(Box(x, y, x + w, y + h), 2 * radius + 1, hole.shape)
        for part in np.unique(parts[near.slices][~hole[near.slices]]):
            if part and not under[part]:
                rest = (parts[near.slices] == part) & ~hole[near.slices]
                under[part] = _covered(rest, holes[near.slices] == index, radius) >= UNDER_SHARE
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
    size = 2 * rim_px + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    thick = cv2.morphologyEx(kept[at].view(np.uint8), cv2.MORPH_OPEN, disc)
    # The tips and corners of what is thick belong to it.
    thick = cv2.dilate(thick, disc).view(np.bool_)
    left_over[at] = raster.grow(hole[at], rim_px) & kept[at] & ~thick
    return left_over
