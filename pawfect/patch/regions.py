"""Which piece of the photo a fill looks at: the hole's box and as much context as it needs."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.picture.box import Box, merged

CONTEXT = 0.75
"""Context on each side, as a share of the hole's longer side: room for whole patches and for
their variety, while the work stays a fixed multiple of the hole."""
LEAST_CONTEXT = 64  # px: a thin hole still needs texture to copy from


def crops(hole: NDArray[np.bool_]) -> list[Box]:
    """Cut the window into crops that hold whole holes and never share a pixel.

    Args:
        hole: [H, W].

    Returns:
        One box for each hole or group of holes near each other, largest first.
    """
    height, width = hole.shape
    count, _, stats, _ = cv2.connectedComponentsWithStats(hole.astype(np.uint8), connectivity=8)
    holes = [Box(x, y, x + w, y + h) for x, y, w, h, _ in stats[1:count].tolist()]
    groups = merged(holes, lambda a, b: _context(a).meets(_context(b)))
    boxes = [
        Box(max(0, around.x0), max(0, around.y0), min(width, around.x1), min(height, around.y1))
        for around in map(_context, groups)
    ]
    return sorted(boxes, key=lambda box: (-box.area, box))


def _context(hole: Box) -> Box:
    margin = max(LEAST_CONTEXT, round(CONTEXT * max(hole.width, hole.height)))
    return Box(hole.x0 - margin, hole.y0 - margin, hole.x1 + margin, hole.y1 + margin)
