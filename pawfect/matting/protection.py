"""Which of what a network takes for the subject a fill leaves alone.

What the user marked is to go, however much it looks like a subject: a hand with a leash. So is its
rim that a mask drawn by hand left out. And where a hole lies on the subject itself, such as a
collar on a dog, the subject is what it is to be filled with.
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
from pawfect.picture.growth import auto_dilate_px

SUBJECT: Final = 0.5
"""From this alpha on a pixel is the subject's."""
MARKED_SHARE: Final = 0.5
"""A part of the subject that the mask covers by this share is what is to go."""
RING_SHARE: Final = 0.25
MIN_RING_PX: Final = 12
ON_SHARE: Final = 0.6
"""A hole whose ring lies on a part of the subject by this share lies on it: a hole beside it has
half of its ring there at most."""


@dataclass(frozen=True, eq=False)
class Protection:
    """What is left alone.

    Attributes:
        mask: UINT8 [H, W], 255 = neither filled nor copied from; None: nothing is.
        marked: parts of the subject that go, since the mask marks them.
        under: parts that holes lie on.
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
    """Return which parts of the subject a hole lies on: BOOL [count]."""
    under = np.zeros(count, np.bool_)
    _, holes, stats, _ = cv2.connectedComponentsWithStats(hole.view(np.uint8), connectivity=8)
    height, width = hole.shape
    for index, (x, y, w, h, area) in enumerate(stats[1:], 1):
        ring_px = max(MIN_RING_PX, round(RING_SHARE * math.sqrt(area)))
        box = (
            slice(max(y - ring_px, 0), min(y + h + ring_px, height)),
            slice(max(x - ring_px, 0), min(x + w + ring_px, width)),
        )
        squared = raster.squared_distance_to((holes[box] == index).view(np.uint8))
        ring = ~hole[box] & (squared <= ring_px**2)
        total = int(np.count_nonzero(ring))
        inside = np.bincount(parts[box][ring], minlength=count)
        inside[0] = 0
        under |= inside >= ON_SHARE * max(total, 1)
    return under


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
