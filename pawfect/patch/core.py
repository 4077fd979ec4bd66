"""The compiled core of the fill: search, votes, copies and tone, on whole numbers but for tone.

Every function releases the GIL and draws nothing from outside, so that the same arguments give the
same pixels on any processor and any number of threads. All that is inlined stands in this file:
numba's cache watches no other.

Arrays of a level: `f` INT16 [H + 6, (W + 6) * CHANNELS], its features with a border of RADIUS;
`allowed` UINT8 [H, W], the middles of patches that may be copied; `source` INT32 [H, W], for each
target its source's flat index, else -1; `apart` INT32 [H, W], their patches' distance.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pawfect.patch.kept import compiled

RADIUS: Final = 3  # px: patches of 7 x 7
SIDE: Final = 2 * RADIUS + 1
CHANNELS: Final = 8  # a power of two, so that a patch's row is a whole number of vector registers
VOTED: Final = 5  # channels that a fill gives; the others are known under the hole too
ROW: Final = SIDE * CHANNELS
WIDE: Final = ROW // 16 * 16  # worked on 16 at a time; the rest of a row is a loop of its own
FARTHEST: Final = 2**31 - 1

Array = NDArray[Any]


_inlined = njit(inline="always", nogil=True)


@_inlined
def _drawn(seed: Any, place: Any, trial: Any) -> Any:
    """Hash three numbers to 64 random bits (splitmix64; Steele, Lea and Flood, OOPSLA 2014)."""
    z = np.uint64(seed) + np.uint64(0x9E3779B97F4A7C15) * (
        np.uint64(place) * np.uint64(64) + np.uint64(trial) + np.uint64(1)
    )
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@_inlined
def _distance(f: Array, ay: Any, ax: Any, by: Any, bx: Any, limit: Any, total: Any) -> Any:
    """Add the squared differences of two patches, and stop where they reach the limit."""
    if total >= limit:
        return total
    a, b = np.uintp(ax * CHANNELS), np.uintp(bx * CHANNELS)
    for dy in range(SIDE):
        one, other = f[np.uintp(ay + dy)], f[np.uintp(by + dy)]
        part = np.int32(0)
        for k in range(WIDE):
            d = np.int16(one[a + np.uintp(k)] - other[b + np.uintp(k)])
            part += np.int32(np.int32(d) * np.int32(d))
        for k in range(WIDE, ROW):
            d = np.int16(one[a + np.uintp(k)] - other[b + np.uintp(k)])
            part += np.int32(np.int32(d) * np.int32(d))
        total += part
        if total >= limit:
            break
    return total


@compiled
def halved(f: Array, known: Array) -> Any:
    """Halve features INT16 [H, W, C] by the mean of what is known.

    Returns:
        The features, and where all that they come from is known, UINT8 [H', W'].
    """
    h, w, channels = f.shape
    out = np.zeros(((h + 1) // 2, (w + 1) // 2, channels), np.int16)
    whole = np.ones(out.shape[:2], np.uint8)
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            count = 0
            for yy in range(2 * y, min(2 * y + 2, h)):
                for xx in range(2 * x, min(2 * x + 2, w)):
                    count += known[yy, xx]
                    whole[y, x] &= known[yy, xx]
            if count == 0:
                continue
            for k in range(channels):
                total = 0
                for yy in range(2 * y, min(2 * y + 2, h)):
                    for xx in range(2 * x, min(2 * x + 2, w)):
                        total += f[yy, xx, k] * known[yy, xx]
                out[y, x, k] = (2 * total + count) // (2 * count)
    return out, whole


@_inlined
def _seen_distance(
    target: Array, mask: Array, order: Array, f: Array, y: Any, x: Any, limit: Any, total: Any
) -> Any:
    """Add the squared differences where the mask is -1, and stop where they reach the limit."""
    if total >= limit:
        return total
    b = np.uintp(x * CHANNELS)
    for n in range(SIDE):
        dy = order[n]
        row = f[np.uintp(y + dy)]
        part = np.int32(0)
        for k in range(WIDE):
            d = np.int16((target[dy, k] - row[b + np.uintp(k)]) & mask[dy, k])
            part += np.int32(np.int32(d) * np.int32(d))
        for k in range(WIDE, ROW):
            d = np.int16((target[dy, k] - row[b + np.uintp(k)]) & mask[dy, k])
            part += np.int32(np.int32(d) * np.int32(d))
        total += part
        if total >= limit:
            break
    return total


@compiled
def begin(
    f: Array,
    filled: Array,
    allowed: Array,
    cost: Array,
    ys: Array,
    xs: Array,
    candidates: Array,
    source: Array,
) -> None:
    """Find the best source for some pixels, by what is known around each.

    Sources that continue a neighbour's are tried first, then all candidates, but for every other
    pixel that has such a neighbour; of several as good the first is taken.

    Args:
        f: features of the level.
        filled: UINT8 [H + 6, W + 6], what is known or filled by now.
        allowed: may be copied from.
        cost: INT32 [H, W], of a patch from there before it is compared.
        ys: INT64 [N], the pixels' rows.
        xs: their columns.
        candidates: INT32 [M], flat indices of sources.
        source: is written to.
    """
    h, w = source.shape
    target, mask = np.zeros((SIDE, ROW), np.int16), np.zeros((SIDE, ROW), np.int16)
    order = np.zeros(SIDE, np.int64)
    for i in range(ys.size):
        y, x = ys[i], xs[i]
        for dy in range(SIDE):
            for k in range(ROW):
                target[dy, k] = f[y + dy, x * CHANNELS + k]
                seen = filled[y + dy, x + k // CHANNELS] or k % CHANNELS >= VOTED
                mask[dy, k] = -1 if seen else 0
        # Rows of which most is seen first: a bad candidate is soon over the limit.
        for dy in range(SIDE):
            here = 0
            count = mask[dy].sum()
            for other in range(SIDE):
                rest = mask[other].sum()
                here += rest < count or (rest == count and other < dy)
            order[here] = dy
        best, place = np.int32(FARTHEST), candidates[0]
        for ny in range(max(0, y - 1), min(h, y + 2)):
            for nx in range(max(0, x - 1), min(w, x + 2)):
                if source[ny, nx] < 0:
                    continue
                sy = source[ny, nx] // w
                cy, cx = sy + y - ny, source[ny, nx] - sy * w + x - nx
                if cy < 0 or cx < 0 or cy >= h or cx >= w or not allowed[cy, cx]:
                    continue
                total = _seen_distance(target, mask, order, f, cy, cx, best, cost[cy, cx])
                if total < best:
                    best, place = total, np.int32(cy * w + cx)
        if (y + x) % 2 == 1 and best < np.int32(FARTHEST):
            source[y, x] = place
            continue
        for j in range(candidates.size):
            sy = candidates[j] // w
            sx = candidates[j] - sy * w
            total = _seen_distance(target, mask, order, f, sy, sx, best, cost[sy, sx])
            if total < best:
                best, place = total, candidates[j]
        source[y, x] = place


@compiled
def fill_in(f: Array, filled: Array, ys: Array, xs: Array, source: Array) -> None:
    """Copy the features of the targets' sources."""
    w = source.shape[1]
    for i in range(ys.size):
        y, x = ys[i], xs[i]
        sy = source[y, x] // w
        sx = source[y, x] - sy * w
        for k in range(VOTED):
            f[y + RADIUS, (x + RADIUS) * CHANNELS + k] = f[
                sy + RADIUS, (sx + RADIUS) * CHANNELS + k
            ]
        filled[y + RADIUS, x + RADIUS] = 1


@compiled
def measure(f: Array, cost: Array, ys: Array, xs: Array, source: Array, apart: Array) -> None:
    """Measure the distances of the targets' patches to their sources'."""
    w = source.shape[1]
    for i in range(ys.size):
        y, x = ys[i], xs[i]
        sy = source[y, x] // w
        sx = source[y, x] - sy * w
        apart[y, x] = _distance(f, y, x, sy, sx, np.int32(FARTHEST), cost[sy, sx])


@compiled
def scan(
    f: Array,
    allowed: Array,
    cost: Array,
    ys: Array,
    xs: Array,
    source: Array,
    apart: Array,
    reach: int,
    seed: int,
    backwards: bool,
) -> None:
    """Look for better sources, in reading order or against it (Barnes et al., SIGGRAPH 2009).

    Each target tries the offsets of the two neighbours before it, then places drawn around its
    own, from `reach` px on by halves.
    """
    h, w = allowed.shape
    step = -1 if backwards else 1
    for n in range(ys.size):
        i = ys.size - 1 - n if backwards else n
        y, x = ys[i], xs[i]
        best = apart[y, x]
        by = np.int64(source[y, x] // w)
        bx = np.int64(source[y, x] - by * w)
        for k in range(2):
            ny, nx = (y - step, x) if k == 0 else (y, x - step)
            if ny < 0 or nx < 0 or ny >= h or nx >= w or source[ny, nx] < 0:
                continue
            sy = source[ny, nx] // w
            cy, cx = sy + y - ny, source[ny, nx] - sy * w + x - nx
            if cy < 0 or cx < 0 or cy >= h or cx >= w or not allowed[cy, cx]:
                continue
            if cy != by or cx != bx:
                d = _distance(f, y, x, cy, cx, best, cost[cy, cx])
                if d < best:
                    best, by, bx = d, cy, cx
        radius, trial = np.int64(reach), 0
        while radius >= 1:
            bits = _drawn(seed, y * w + x, trial)
            trial += 1
            span = np.uint64(2 * radius + 1)
            cy = by + np.int64((bits & np.uint64(0xFFFFFFFF)) % span) - radius
            cx = bx + np.int64((bits >> np.uint64(32)) % span) - radius
            radius //= 2
            if cy < 0 or cx < 0 or cy >= h or cx >= w or not allowed[cy, cx]:
                continue
            d = _distance(f, y, x, cy, cx, best, cost[cy, cx])
            if d < best:
                best, by, bx = d, cy, cx
        apart[y, x] = best
        source[y, x] = by * w + bx


@compiled
def vote(f: Array, ys: Array, xs: Array, source: Array, weight: Array, near: Array) -> None:
    """Give each target the weighted mean of what the patches that cover it hold there.

    Args:
        f: is written to, once all votes are counted.
        ys: INT64 [N], the targets' rows.
        xs: their columns.
        source: where patches come from.
        weight: INT64 [H, W], of each target's patch, above 0.
        near: INT64 [SIDE, SIDE], by the place in the patch.
    """
    h, w = source.shape
    voted, total = np.zeros((ys.size, VOTED), np.int16), np.zeros(VOTED, np.int64)
    for i in range(ys.size):
        y, x = ys[i], xs[i]
        total[:] = 0
        mass = np.int64(0)
        for dy in range(-min(RADIUS, y), min(RADIUS, h - 1 - y) + 1):
            for dx in range(-min(RADIUS, x), min(RADIUS, w - 1 - x) + 1):
                place = source[y + dy, x + dx]
                if place < 0:
                    continue
                share = weight[y + dy, x + dx] * near[dy + RADIUS, dx + RADIUS]
                sy = place // w
                row = f[sy - dy + RADIUS]
                at = (place - sy * w - dx + RADIUS) * CHANNELS
                mass += share
                for k in range(VOTED):
                    total[k] += share * row[at + k]
        for k in range(VOTED):
            voted[i, k] = (2 * total[k] + mass) // (2 * mass)
    for i in range(ys.size):
        for k in range(VOTED):
            f[ys[i] + RADIUS, (xs[i] + RADIUS) * CHANNELS + k] = voted[i, k]


@compiled
def carried_up(
    coarse: Array, allowed: Array, ys: Array, xs: Array, source: Array, spare: Array, seed: int
) -> None:
    """Carry sources to a level twice as large; where that is not allowed, draw one of `spare`."""
    ch, cw = coarse.shape
    h, w = allowed.shape
    for i in range(ys.size):
        y, x = ys[i], xs[i]
        cy, cx = min(y // 2, ch - 1), min(x // 2, cw - 1)
        below = coarse[cy, cx]
        sy = 2 * (below // cw) + y - 2 * cy
        sx = 2 * (below - below // cw * cw) + x - 2 * cx
        if below >= 0 and 0 <= sy < h and 0 <= sx < w and allowed[sy, sx]:
            source[y, x] = sy * w + sx
        else:
            source[y, x] = spare[np.int64(_drawn(seed, y * w + x, 0) % np.uint64(spare.size))]


@compiled
def copied(image: Array, ys: Array, xs: Array, source: Array, near: Array) -> Any:
    """Copy the photo's own colours, a little blended across the seams between copies.

    Args:
        image: UINT8 [H, W, 3].
        ys: INT64 [N], the targets' rows.
        xs: their columns.
        source: where they come from.
        near: FLOAT64 [3, 3], weights of the neighbours' copies.

    Returns:
        FLOAT64 [N, 3].
    """
    h, w = source.shape
    out = np.zeros((ys.size, 3))
    for i in range(ys.size):
        y, x = ys[i], xs[i]
        mass = 0.0
        for dy in range(-min(1, y), min(1, h - 1 - y) + 1):
            for dx in range(-min(1, x), min(1, w - 1 - x) + 1):
                place = source[y + dy, x + dx]
                if place < 0:
                    continue
                sy = place // w
                share = near[dy + 1, dx + 1]
                mass += share
                for k in range(3):
                    out[i, k] += share * image[sy - dy, place - sy * w - dx, k]
        for k in range(3):
            out[i, k] /= mass
    return out
