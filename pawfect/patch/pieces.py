"""How a hole is divided: work and memory follow the hole's area, however it lies in the photo."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.picture import raster
from pawfect.picture.box import Box, gathered, merged

CONTEXT: Final = 1.0  # on each side, as a share of a piece's longer side
LEAST_CONTEXT: Final = 48  # px: a thin hole still needs texture to copy from
THIN: Final = 8.0  # times as long as wide: such a hole is cut along its course
LEAST_PIECE: Final = 64  # px
GAP: Final = 0.5  # of the smaller one's longer side: nearer parts are filled together
LEAST_GAP: Final = 8  # px
TOGETHER: Final = 2.0  # of the two contexts' areas, that one around both may have
# Beyond these a hole is dust or fine stripes, and what is small and near is filled together.
MOST_PIECES: Final = 1024  # each costs some 5 ms, however small
CROWDED: Final = 6.0  # the areas of all pieces' contexts, by that of one around all of them


def pieces(hole: NDArray[np.bool_]) -> list[Box]:
    """Divide a hole into boxes that are filled one after the other.

    Args:
        hole: [H, W].

    Returns:
        Boxes that hold every pixel of the hole, largest first, at most MOST_PIECES. A pixel may lie
        in two of them: it is filled with the first.
    """
    compact, tiles = _parts(hole)
    if len(compact) <= MOST_PIECES:
        compact = merged(compact, _worth_joining)
    boxes = _few(compact + tiles, *hole.shape)
    return sorted(boxes, key=lambda box: (-box.area, box))


def context(box: Box, height: int, width: int) -> Box:
    """Return a piece with the surroundings that it is filled from, within a picture's size."""
    margin = max(LEAST_CONTEXT, round(CONTEXT * max(box.width, box.height)))
    return Box(
        max(0, box.x0 - margin),
        max(0, box.y0 - margin),
        min(width, box.x1 + margin),
        min(height, box.y1 + margin),
    )


def _few(boxes: list[Box], height: int, width: int) -> list[Box]:
    """Join what is small and near until the pieces are few and their contexts overlap little."""
    cell = LEAST_PIECE
    while len(boxes) > MOST_PIECES or _overlap(boxes, height, width) > CROWDED:
        large = [box for box in boxes if max(box.width, box.height) > cell]
        small = [box for box in boxes if max(box.width, box.height) <= cell]
        boxes = large + gathered(small, cell)
        cell *= 2
    return boxes


def _overlap(boxes: list[Box], height: int, width: int) -> float:
    """Return the areas of the boxes' contexts, by that of one around all of them."""
    if len(boxes) <= CROWDED:
        return 1.0
    around = context(reduce(Box.union, boxes), height, width)
    return sum(context(box, height, width).area for box in boxes) / around.area


def _worth_joining(one: Box, other: Box) -> bool:
    """Join what lies side by side, where that does not make the surroundings much larger."""
    shorter = min(max(box.width, box.height) for box in (one, other))
    gap = max(LEAST_GAP, round(GAP * shorter))
    around = Box(one.x0 - gap, one.y0 - gap, one.x1 + gap, one.y1 + gap)
    if not around.meets(other):
        return False
    limits = 2**31, 2**31
    apart = context(one, *limits).area + context(other, *limits).area
    return context(one.union(other), *limits).area <= TOGETHER * apart


def _parts(hole: NDArray[np.bool_]) -> tuple[list[Box], list[Box]]:
    """Return the boxes of the hole's compact parts, and those of the tiles of its thin ones."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        hole.astype(np.uint8), connectivity=8
    )
    compact: list[Box] = []
    tiles: list[Box] = []
    for number in range(1, count):
        x, y, width, height = stats[number, :4].tolist()
        box = Box(x, y, x + width, y + height)
        if max(width, height) <= LEAST_PIECE:
            compact.append(box)
            continue
        own = labels[box.slices] == number
        across = 2 * float(raster.distance_to(~np.pad(own, 1)).max())
        tile = max(LEAST_PIECE, round(THIN * across))
        if max(width, height) <= tile:
            compact.append(box)
        else:
            tiles += _tiles(own, box, tile)
    return compact, tiles


def _tiles(own: NDArray[np.bool_], box: Box, side: int) -> Iterator[Box]:
    """Cut a part of the hole, [h, w] in its box, into the boxes of what lies in each tile."""
    for top in range(0, box.height, side):
        for left in range(0, box.width, side):
            part = own[top : top + side, left : left + side]
            if part.any():
                rows, columns = np.flatnonzero(part.any(1)), np.flatnonzero(part.any(0))
                x, y = box.x0 + left, box.y0 + top
                yield Box(
                    x + int(columns[0]),
                    y + int(rows[0]),
                    x + int(columns[-1]) + 1,
                    y + int(rows[-1]) + 1,
                )
