"""Mask cleaning: from what was drawn to the area that is filled, and the ring around it.

Specks go and pinholes close by their area, never by erosion: eroding uncovers slivers of the
object, which a fill then grows back into the object.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import invalid
from pawfect.contract.report import MaskChanges
from pawfect.contract.tensors import MASK_THRESHOLD, check_photo_size
from pawfect.picture import raster
from pawfect.picture.box import Box
from pawfect.picture.growth import Growth, auto_dilate_px, grown_by_width, grown_evenly
from pawfect.picture.outline import Edges, count_outlines, enclosed

# A component of fewer pixels is a speck: nobody marks less than 3x3 px of a photo, while dust of 4
# px beside a scratch is marked on purpose ...
LEAST_SPECK_PX: Final = 9
# ... unless it is comparable to what else is marked: a lone small dot was put there on purpose.
SPECK_LARGEST_SHARE: Final = 0.02
# Enclosed gaps up to this share of the image are noise; a larger one, such as the inside of a
# leash's loop, is background that stays.
PINHOLE_IMAGE_SHARE: Final = 1e-4
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
        changes: what was done to the mask.
    """

    mask: NDArray[np.uint8]
    boxes: NDArray[np.int32]
    ring: NDArray[np.uint8]
    changes: MaskChanges


def clean_mask(
    mask: NDArray[np.uint8],
    protect: NDArray[np.uint8] | None = None,
    *,
    dilate_px: int | None = None,
    least_speck_px: int | None = None,
    fill_outlines: bool = False,
) -> CleanMask:
    """Clean a mask: specks go, pinholes close, the rest grows, PROTECT stays out.

    Args:
        mask: UINT8 [H, W]; values >= 128 mark what is to be filled.
        protect: UINT8 [H, W] or None; values >= 128 are never filled (the pet).
        dilate_px: how far the mask grows, px; None: by the image's size and each stroke's width,
            see `grown_by_width`. It grows less where more than half of the known pixels would go.
        least_speck_px: components of fewer px2 go, whatever else is marked; None: those under 9
            px2 beside something 50 times larger.
        fill_outlines: whether what strokes enclose is filled too.

    Raises:
        PawfectError: INVALID_ARG for a size out of bounds, sizes that differ, a mask that is empty,
            full but for pinholes, of specks alone or that fills the whole photo, or a PROTECT that
            covers all of the mask.
    """
    marked = _marked(mask, protect)
    height, width = mask.shape
    bounds = _bounding_box(marked)
    core, specks = _without_specks(marked[bounds.slices], least_speck_px)
    core, pinholes = _without_pinholes(core, mask.size)
    if np.count_nonzero(core) == mask.size:
        expected = f"some pixels < {MASK_THRESHOLD} (to keep)"
        raise invalid("MASK", expected, f"a full mask but for {pinholes} pinholes")
    most_px = auto_dilate_px(height, width) if dilate_px is None else dilate_px
    ring_px = min(max(RING_SHARE * math.sqrt(cv2.countNonZero(core)), MIN_RING_PX), MAX_RING_PX)

    box = _widened(bounds, math.ceil(most_px + ring_px) + 2, height, width)
    kept = np.zeros((box.height, box.width), np.uint8)
    kept[bounds.y0 - box.y0 : bounds.y1 - box.y0, bounds.x0 - box.x0 : bounds.x1 - box.x0] = core
    squared = raster.squared_distance_to(kept)
    by_width = dilate_px is None
    growth = grown_by_width(kept, squared, most_px) if by_width else grown_evenly(squared, most_px)
    growth = _within_half(growth, squared, mask.size)
    edges = (box.x0 == 0, box.y0 == 0, box.x1 == width, box.y1 == height)
    hole, outlines, filled = _outlines(growth.hole, edges, mask.size, fill=fill_outlines)
    near = ~hole & (squared <= (growth.most_px + ring_px) ** 2)
    if protect is not None:
        guarded = protect[box.slices] >= MASK_THRESHOLD
        hole &= ~guarded
        near &= ~guarded
        if not hole.any():
            raise invalid("PROTECT", "some of the mask left to fill", "all of the mask protected")
    cleaned, ring = np.zeros_like(mask), np.zeros_like(mask)
    cleaned[box.slices][hole] = 255
    ring[box.slices][near] = 255
    least = LEAST_SPECK_PX if least_speck_px is None else least_speck_px
    changes = MaskChanges(
        round(growth.most_px, 2), round(growth.least_px, 2), specks, least, pinholes, outlines,
        filled,
    )  # fmt: skip
    return CleanMask(cleaned, hole_boxes(cleaned), ring, changes)


def hole_boxes(mask: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Return INT32 [K, 4], the (x0, y0, x1, y1) of each 8-connected hole, largest area first.

    Args:
        mask: UINT8 [H, W], non-zero = hole; not empty.
    """
    box = _bounding_box(mask)
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask[box.slices], connectivity=8)
    found = stats[1:][np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")]
    left, top = found[:, cv2.CC_STAT_LEFT] + box.x0, found[:, cv2.CC_STAT_TOP] + box.y0
    right, bottom = left + found[:, cv2.CC_STAT_WIDTH], top + found[:, cv2.CC_STAT_HEIGHT]
    boxes: NDArray[np.int32] = np.stack([left, top, right, bottom], axis=1).astype(np.int32)
    return boxes


def _marked(mask: NDArray[np.uint8], protect: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    """Return what is to be filled, 0 or 1; INVALID_ARG for what nothing can be made of."""
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
    return marked


def _bounding_box(marked: NDArray[np.uint8]) -> Box:
    x, y, w, h = cv2.boundingRect(marked)
    return Box(x, y, x + w, y + h)


def _widened(box: Box, by: int, height: int, width: int) -> Box:
    """Return a box with `by` px more on each side, within a photo."""
    x0, y0, x1, y1 = box.edges
    return Box(max(x0 - by, 0), max(y0 - by, 0), min(x1 + by, width), min(y1 + by, height))


def _without_specks(
    marked: NDArray[np.uint8], least_px: int | None
) -> tuple[NDArray[np.uint8], int]:
    """Drop small 8-connected components of a 0/1 mask; see `clean_mask`."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(marked, connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA]
    largest = int(areas[1:].max())
    if least_px is None:
        least: float = min(LEAST_SPECK_PX, largest * SPECK_LARGEST_SHARE)
    elif largest < least_px:
        expected = f"something of at least least_speck_px = {least_px} px"
        raise invalid("MASK", expected, f"parts of at most {largest} px")
    else:
        least = least_px
    keep = areas >= least
    keep[0] = False
    specks = int(count - 1 - keep.sum())
    return (keep.astype(np.uint8)[labels] if specks else marked), specks


def _without_pinholes(marked: NDArray[np.uint8], pixels: int) -> tuple[NDArray[np.uint8], int]:
    """Close small enclosed gaps of a 0/1 mask that fills its own bounding box."""
    gaps = np.pad(1 - marked, 1, constant_values=1).astype(np.uint8)
    # 4-connected: the complement of 8-connected holes.
    _, labels, stats, _ = cv2.connectedComponentsWithStats(gaps, connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < max(pixels * PINHOLE_IMAGE_SHARE, 1)
    small[0] = False
    small[labels[0, 0]] = False
    pinholes = int(small.sum())
    return (marked | small.astype(np.uint8)[labels[1:-1, 1:-1]] if pinholes else marked), pinholes


def _within_half(growth: Growth, squared: NDArray[np.float32], pixels: int) -> Growth:
    """Return the growth by which half of the known pixels of the photo stay known."""
    known = int(np.count_nonzero(squared))
    eaten = growth.hole & (squared > 0)
    allowed = (known + pixels - squared.size) // 2
    if cv2.countNonZero(eaten.view(np.uint8)) <= allowed:
        return growth
    nearest = np.sort(squared[eaten])
    # The next shorter distance than the first that may not go, so that whole shells stay.
    shorter = nearest[nearest < nearest[allowed]]
    most = float(shorter[-1]) if shorter.size else 0.0
    reach = math.sqrt(most)
    return Growth(growth.hole & (squared <= most), reach, min(growth.least_px, reach))


def _outlines(
    hole: NDArray[np.bool_], edges: Edges, pixels: int, *, fill: bool
) -> tuple[NDArray[np.bool_], int, int]:
    """Return the hole, the outlines in it that are left, and the areas that were filled instead."""
    if not fill:
        return hole, count_outlines(hole, edges, pixels * PINHOLE_IMAGE_SHARE), 0
    inside, filled = enclosed(hole, edges)
    hole = hole | inside
    if np.count_nonzero(hole) == pixels:
        raise invalid("MASK", "some pixels to keep", "an outline round all of the photo")
    return hole, 0, filled
