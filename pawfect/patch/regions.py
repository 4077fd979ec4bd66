"""Which piece of the photo a fill looks at: the hole's box and as much context as it needs."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

CONTEXT = 0.75
"""Context on each side, as a share of the hole's longer side: room for whole patches and for
their variety, while the work stays a fixed multiple of the hole."""
LEAST_CONTEXT = 64  # px: a thin hole still needs texture to copy from


class Box(NamedTuple):
    """A rectangle of the window, half open, px."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index an [H, W, ...] array with this box."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)


def crops(hole: NDArray[np.bool_]) -> list[Box]:
    """Cut the window into crops that hold whole holes and never share a pixel.

    Args:
        hole: [H, W].

    Returns:
        One box for each hole or group of holes near each other, largest first.
    """
    height, width = hole.shape
    count, _, stats, _ = cv2.connectedComponentsWithStats(hole.astype(np.uint8), connectivity=8)
    cores = [(int(x), int(y), int(x + w), int(y + h)) for x, y, w, h, _ in stats[1:count].tolist()]
    merged: list[tuple[int, int, int, int]] = []
    for core in cores:
        grown = core
        while True:
            near = [other for other in merged if _overlap(_context(grown), _context(other))]
            if not near:
                break
            merged = [other for other in merged if other not in near]
            grown = _union([grown, *near])
        merged.append(grown)
    boxes = [
        Box(max(0, x0), max(0, y0), min(width, x1), min(height, y1))
        for x0, y0, x1, y1 in map(_context, merged)
    ]
    return sorted(boxes, key=lambda b: (-(b.x1 - b.x0) * (b.y1 - b.y0), b))


def _context(box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = box
    margin = max(LEAST_CONTEXT, round(CONTEXT * max(x1 - x0, y1 - y0)))
    return x0 - margin, y0 - margin, x1 + margin, y1 + margin


def _overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _union(boxes: list[tuple[int, int, int, int]]) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)
