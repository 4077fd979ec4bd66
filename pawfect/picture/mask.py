"""Mask cleaning: from what was drawn to the area that is filled, and the ring around it.

Specks go and pinholes close by their area, never by erosion: eroding uncovers slivers of the
object, which a fill then grows back into the object.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import invalid
from pawfect.contract.tensors import MASK_THRESHOLD, check_photo_size
from pawfect.picture import raster

# A component under this share of the image is a speck (14x14 px in a 1600x1200 photo) ...
SPECK_IMAGE_SHARE: Final = 1e-4
# ... unless it is comparable to what else is marked: a lone small dot was put there on purpose.
SPECK_LARGEST_SHARE: Final = 0.02
# Enclosed gaps up to this share of the image are noise; a larger one, such as the inside of a
# leash's loop, is background that stays.
PINHOLE_IMAGE_SHARE: Final = 1e-4
# 8-16 px: covers a segmenter's missed rim, JPEG ringing and soft hair edges.
MIN_DILATE_PX: Final = 8
MAX_DILATE_PX: Final = 16
# The ring's width: a quarter of the hole's size, wide enough for a texture's period to show in it,
# narrow enough to stay with the surface that meets the hole.
RING_SHARE: Final = 0.25
MIN_RING_PX: Final = 24
MAX_RING_PX: Final = 160


@dataclass(frozen=True)
class CleanMask:
    """A cleaned mask and what follows from it.

    Attributes:
        mask: UINT8 [H, W], 255 = fill, 0 = keep.
        boxes: INT32 [K, 4], one (x0, y0, x1, y1) per 8-connected hole, x1 and y1 exclusive, largest
            first.
        ring: UINT8 [H, W], 255 in the band of surroundings: around the mask, PROTECT left out.
        dilate_px: how far the mask grew, px.
        specks: number of components that were dropped.
        pinholes: number of gaps that were closed.
    """

    mask: NDArray[np.uint8]
    boxes: NDArray[np.int32]
    ring: NDArray[np.uint8]
    dilate_px: float
    specks: int
    pinholes: int


def auto_dilate_px(height: int, width: int) -> int:
    """Return the dilation for an image of this size: 8 px up to 1 MP, 16 px from 4 MP."""
    scaled = round(MIN_DILATE_PX * math.sqrt(height * width / 1e6))
    return min(max(scaled, MIN_DILATE_PX), MAX_DILATE_PX)


def clean_mask(
    mask: NDArray[np.uint8],
    protect: NDArray[np.uint8] | None = None,
    *,
    dilate_px: int | None = None,
) -> CleanMask:
    """Clean a mask: specks go, pinholes close, the rest grows, PROTECT stays out.

    Args:
        mask: UINT8 [H, W]; values >= 128 mark what is to be filled.
        protect: UINT8 [H, W] or None; values >= 128 are never filled (the pet).
        dilate_px: how far the mask grows, px; None: `auto_dilate_px`. It grows less where more than
            half of the known pixels would go.

    Raises:
        PawfectError: INVALID_ARG for a size out of bounds, sizes that differ, a mask that is empty,
            or full but for pinholes, or a PROTECT that covers all of the mask.
    """
    height, width = mask.shape
    check_photo_size(height, width, "MASK")
    if protect is not None and protect.shape != mask.shape:
        got = f"{protect.shape[1]}x{protect.shape[0]}"
        raise invalid("PROTECT", f"the mask's size {width}x{height}", got)
    marked = (mask >= MASK_THRESHOLD).view(np.uint8)
    count = cv2.countNonZero(marked)
    if count == 0:
        raise invalid("MASK", f"some pixels >= {MASK_THRESHOLD} (to fill)", "an empty mask")
    if count == marked.size:
        raise invalid("MASK", f"some pixels < {MASK_THRESHOLD} (to keep)", "a full mask")

    box = _bounding_box(marked)
    x0, y0, x1, y1 = box
    core, specks = _without_specks(marked[y0:y1, x0:x1], mask.size)
    core, pinholes = _without_pinholes(core, mask.size)
    if np.count_nonzero(core) == mask.size:
        expected = f"some pixels < {MASK_THRESHOLD} (to keep)"
        raise invalid("MASK", expected, f"a full mask but for {pinholes} pinholes")
    kept = np.zeros_like(marked)
    kept[y0:y1, x0:x1] = core

    grow = auto_dilate_px(height, width) if dilate_px is None else dilate_px
    ring_px = min(max(RING_SHARE * math.sqrt(cv2.countNonZero(core)), MIN_RING_PX), MAX_RING_PX)
    pad = math.ceil(grow + ring_px) + 2
    wx0, wy0 = max(x0 - pad, 0), max(y0 - pad, 0)
    wx1, wy1 = min(x1 + pad, width), min(y1 + pad, height)
    window = np.s_[wy0:wy1, wx0:wx1]
    distance = raster.distance_to(kept[window] > 0)
    reach = _reach(distance, mask.size, grow)
    hole = distance <= reach
    near = (distance > reach) & (distance <= reach + ring_px)
    if protect is not None:
        guarded = protect[window] >= MASK_THRESHOLD
        hole &= ~guarded
        near &= ~guarded
        if not hole.any():
            raise invalid("PROTECT", "some of the mask left to fill", "all of the mask protected")
    cleaned = np.zeros_like(marked)
    cleaned[window][hole] = 255
    ring = np.zeros_like(marked)
    ring[window][near] = 255
    return CleanMask(cleaned, hole_boxes(cleaned), ring, reach, specks, pinholes)


def hole_boxes(mask: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Return INT32 [K, 4], the (x0, y0, x1, y1) of each 8-connected hole, largest area first.

    Args:
        mask: UINT8 [H, W], non-zero = hole; not empty.
    """
    x0, y0, x1, y1 = _bounding_box(mask)
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask[y0:y1, x0:x1], connectivity=8)
    found = stats[1:][np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")]
    left, top = found[:, cv2.CC_STAT_LEFT] + x0, found[:, cv2.CC_STAT_TOP] + y0
    right, bottom = left + found[:, cv2.CC_STAT_WIDTH], top + found[:, cv2.CC_STAT_HEIGHT]
    boxes: NDArray[np.int32] = np.stack([left, top, right, bottom], axis=1).astype(np.int32)
    return boxes


def _bounding_box(marked: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    x, y, w, h = cv2.boundingRect(marked)
    return x, y, x + w, y + h


def _without_specks(marked: NDArray[np.uint8], pixels: int) -> tuple[NDArray[np.uint8], int]:
    """Drop small 8-connected components of a 0/1 mask; `pixels` is the whole image's area."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(marked, connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA]
    smallest = min(pixels * SPECK_IMAGE_SHARE, areas[1:].max() * SPECK_LARGEST_SHARE)
    keep = areas >= smallest
    keep[0] = False
    return keep.astype(np.uint8)[labels], int(count - 1 - keep.sum())


def _without_pinholes(marked: NDArray[np.uint8], pixels: int) -> tuple[NDArray[np.uint8], int]:
    """Close small enclosed gaps of a 0/1 mask that fills its own bounding box."""
    gaps = np.pad(1 - marked, 1, constant_values=1).astype(np.uint8)
    # 4-connected: the complement of 8-connected holes.
    _, labels, stats, _ = cv2.connectedComponentsWithStats(gaps, connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < max(pixels * PINHOLE_IMAGE_SHARE, 1)
    small[0] = False
    small[labels[0, 0]] = False
    closed = marked | small.astype(np.uint8)[labels[1:-1, 1:-1]]
    return closed, int(small.sum())


def _reach(distance: NDArray[Any], pixels: int, grow: int) -> float:
    """Return how far the mask may grow, px, so that half of the known pixels stay known."""
    known = int(np.count_nonzero(distance))
    eaten = int(np.count_nonzero((distance > 0) & (distance <= grow)))
    outside = pixels - distance.size
    allowed = (known + outside) // 2
    if eaten <= allowed:
        return float(grow)
    nearest = np.sort(distance[distance > 0])
    # The next shorter distance than the first that may not go, so that whole shells stay.
    shorter = nearest[nearest < nearest[allowed]]
    return float(shorter[-1]) if shorter.size else 0.0
