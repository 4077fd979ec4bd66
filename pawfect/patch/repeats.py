"""Patterns that repeat exactly: tiles on a screen, a checked cloth without noise, one colour.

A search settles such a pattern almost everywhere, and wrong where two of its parts meet out of
step. So before any search: is there a set of shifts under which all that is near the hole stays as
it is, and which reaches every pixel of the hole from something known?
"""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.patch.core import compiled
from pawfect.picture import raster

RING: Final = 0.35  # of the hole's longer side: the band around it that has to repeat
LEAST_RING: Final = 8  # px
OFF: Final = 3  # levels of 255 by which a repeat may differ
MOST_SAMPLES: Final = 4096  # pixels of the ring that are compared
PROOF: Final = 0.6  # of these whose shifted place is known
RAREST: Final = 8  # samples
FARTHEST: Final = 1.2  # of the hole's longer side: the longest shift
LEAST_FARTHEST: Final = 24  # px
WORK: Final = 100  # comparisons for each pixel of the hole, after which the search is given up
LEAST_WORK: Final = 200_000
MOST_SHIFTS: Final = 64  # that may make up a fill

Array = NDArray[Any]


def repeated(
    image: NDArray[np.uint8], hole: NDArray[np.bool_], known: NDArray[np.bool_]
) -> NDArray[np.int32] | None:
    """Find a source for each pixel of a hole where the surroundings repeat exactly.

    Args:
        image: UINT8 [H, W, 3].
        hole: [H, W].
        known: [H, W], may be copied from.

    Returns:
        INT32 [H, W], the flat index of each hole pixel's source, else -1: of several the nearest.
        None where some pixel has none.
    """
    rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
    side = 1 + int(max(rows[-1] - rows[0], columns[-1] - columns[0]))
    reach = max(LEAST_RING, round(RING * side))
    near = cv2.dilate(hole.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    ys, xs = np.nonzero(near.view(np.bool_) & known)
    if not ys.size:
        return None
    # In an order of no pattern after a few of the rarest, which find out most wrong shifts.
    order = np.argsort(_scattered(np.arange(ys.size, dtype=np.uint64)), kind="stable")
    order = order[:MOST_SAMPLES]
    green = image[ys[order], xs[order], 1].astype(np.int64)
    rarest = np.argsort(-np.abs(green - green.sum() // green.size), kind="stable")[:RAREST]
    order = np.concatenate([order[rarest], order])
    hy, hx = np.nonzero(hole)
    allowed = ~raster.grow(~known, 1, border=True)
    source = np.full(hole.shape, -1, np.int32)
    left = _repeats(
        image, known.view(np.uint8), allowed.view(np.uint8), ys[order], xs[order], hy, hx, source,
        round(FARTHEST * side) + LEAST_FARTHEST, LEAST_WORK + WORK * hy.size,
    )  # fmt: skip
    return None if left else source


def _scattered(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hash numbers (Knuth's multiplicative hash, 64 bits)."""
    return (numbers * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)


@compiled
def _repeats(
    image: Array,
    known: Array,
    allowed: Array,
    ys: Array,
    xs: Array,
    hy: Array,
    hx: Array,
    source: Array,
    farthest: int,
    most_work: int,
) -> int:
    """Try shifts from the shortest on; return how many pixels are left without a source."""
    h, w = known.shape
    left, shifts, work = hy.size, 0, 0
    stride = max(1, hy.size // 64)
    for radius in range(1, min(farthest, max(h, w))):
        for place in range(8 * radius):
            # Around the square of this radius.
            edge, along = place // (2 * radius), place % (2 * radius) - radius
            if edge == 0:
                dy, dx = -radius, along
            elif edge == 1:
                dy, dx = along, radius
            elif edge == 2:
                dy, dx = radius, -along
            else:
                dy, dx = -along, -radius
            same, missed = True, 0
            if work > most_work:
                return left
            for i in range(ys.size):
                work += 1
                y, x = ys[i] + dy, xs[i] + dx
                if y < 0 or x < 0 or y >= h or x >= w or not known[y, x]:
                    missed += 1
                    if missed > (1 - PROOF) * ys.size or missed > i // 2 + 32:
                        same = False
                        break
                    continue
                for k in range(3):
                    off = int(image[y, x, k]) - int(image[ys[i], xs[i], k])
                    if off > OFF or off < -OFF:
                        same = False
                if not same:
                    break
                if i == 32:
                    new = 0
                    for j in range(0, hy.size, stride):
                        y, x = hy[j] + dy, hx[j] + dx
                        if source[hy[j], hx[j]] < 0 and 0 <= y < h and 0 <= x < w:
                            new += allowed[y, x]
                    if new == 0:
                        same = False
                        break
            if not same:
                continue
            for j in range(hy.size):
                y, x = hy[j] + dy, hx[j] + dx
                if source[hy[j], hx[j]] < 0 and 0 <= y < h and 0 <= x < w and allowed[y, x]:
                    source[hy[j], hx[j]] = y * w + x
                    left -= 1
            shifts += 1
            if left == 0 or shifts == MOST_SHIFTS:
                return left
    return left
