"""Patterns that repeat exactly: tiles on a screen, a checked cloth without noise, one colour.

A search settles such a pattern almost everywhere, and wrong where two of its parts meet out of
step. So before any search: is there a set of shifts under which all that is near the hole stays as
it is, and which reaches every pixel of the hole from something known?
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pawfect.patch.kept import compiled
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
FIRST: Final = 32  # samples that stay as they are before it is asked what a shift would reach

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
    # Contiguous, as np.nonzero gives them only where there is one: each kind is compiled apart.
    hy, hx = map(np.ascontiguousarray, np.nonzero(hole))
    side = 1 + int(max(hy[-1] - hy[0], hx.max() - hx.min()))
    ys, xs = _samples(image, hole, known, max(LEAST_RING, round(RING * side)))
    if not ys.size:
        return None
    allowed = ~raster.grow(~known, 1, border=True)
    source = np.full(hole.shape, -1, np.int32)
    left = _repeats(
        image, known.view(np.uint8), allowed.view(np.uint8), ys, xs, hy, hx, source,
        round(FARTHEST * side) + LEAST_FARTHEST, LEAST_WORK + WORK * hy.size,
    )  # fmt: skip
    return None if left else source


def _samples(
    image: NDArray[np.uint8], hole: NDArray[np.bool_], known: NDArray[np.bool_], reach: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose what is compared: pixels at most `reach` px from the hole, their rows and columns.

    They come in an order of no pattern, after a few of the rarest, which find out most wrong
    shifts.
    """
    ys, xs = np.nonzero(raster.grow(hole, reach) & known)
    order = np.argsort(_scattered(np.arange(ys.size, dtype=np.uint64)), kind="stable")
    order = order[:MOST_SAMPLES]
    green = image[ys[order], xs[order], 1].astype(np.int64)
    rarest = np.argsort(-np.abs(green - green.sum() // max(green.size, 1)), kind="stable")
    order = np.concatenate([order[rarest[:RAREST]], order])
    return ys[order], xs[order]


def _scattered(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hash numbers (Knuth's multiplicative hash, 64 bits)."""
    return (numbers * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)


_inlined = njit(inline="always", nogil=True)


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
) -> Any:
    """Try shifts from the shortest on; return how many pixels are left without a source."""
    h, w = known.shape
    left, shifts, work = hy.size, 0, 0
    for radius in range(1, min(farthest, max(h, w))):
        for place in range(8 * radius):
            if work > most_work:
                return left
            dy, dx = _shift(radius, place)
            same, missed = True, 0
            for i in range(ys.size):
                work += 1
                y, x = ys[i] + dy, xs[i] + dx
                if y < 0 or x < 0 or y >= h or x >= w or not known[y, x]:
                    missed += 1
                    same = missed <= (1 - PROOF) * ys.size and missed <= i // 2 + FIRST
                else:
                    for k in range(3):
                        off = int(image[y, x, k]) - int(image[ys[i], xs[i], k])
                        same = same and -OFF <= off <= OFF
                    if same and i == FIRST:
                        same = _reaches(allowed, hy, hx, source, dy, dx)
                if not same:
                    break
            if same:
                left -= _given(allowed, hy, hx, source, dy, dx)
                shifts += 1
                if left == 0 or shifts == MOST_SHIFTS:
                    return left
    return left


@_inlined
def _shift(radius: Any, place: Any) -> Any:
    """Return a place on the square of a radius around 0, by its number."""
    edge, along = place // (2 * radius), place % (2 * radius) - radius
    if edge == 0:
        dy, dx = -radius, along
    elif edge == 1:
        dy, dx = along, radius
    elif edge == 2:
        dy, dx = radius, -along
    else:
        dy, dx = -along, -radius
    return dy, dx


@_inlined
def _reaches(allowed: Array, hy: Array, hx: Array, source: Array, dy: Any, dx: Any) -> Any:
    """Say whether a shift gives a source to some of 64 or more pixels of the hole that lack one."""
    h, w = allowed.shape
    for j in range(0, hy.size, max(1, hy.size // 64)):
        y, x = hy[j] + dy, hx[j] + dx
        if source[hy[j], hx[j]] < 0 and 0 <= y < h and 0 <= x < w and allowed[y, x]:
            return True
    return False


@_inlined
def _given(allowed: Array, hy: Array, hx: Array, source: Array, dy: Any, dx: Any) -> Any:
    """Give the pixels that lack a source what a shift reaches; return how many."""
    h, w = allowed.shape
    count = 0
    for j in range(hy.size):
        y, x = hy[j] + dy, hx[j] + dx
        if source[hy[j], hx[j]] < 0 and 0 <= y < h and 0 <= x < w and allowed[y, x]:
            source[hy[j], hx[j]] = y * w + x
            count += 1
    return count
