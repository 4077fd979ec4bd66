"""From samples back to shapes: which place of which blade or leaf a sample of the lawn sees."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from perf.scene.arrays import Floats, Ints, Rows, floats, mix
from perf.scene.lawn import Planted
from perf.scene.strokes import SUPERSAMPLING

BAND_ROWS = 160
"""Rows of samples shaded at once, so that the working set stays in the processor's cache."""


@dataclass(frozen=True)
class Seen:
    """What a run of samples sees: blade rows with t and side, or leaf rows with u and v."""

    blade: Ints
    on_blade: Rows
    t: Floats
    side: Floats
    leaf: Ints
    on_leaf: Rows
    u: Floats
    v: Floats


def look(lawn: Planted, ids: Ints, x: Floats, y: Floats) -> Seen:
    """Find the place on its shape of each sample [S] at canvas position x, y."""
    blade_count = len(lawn.curves)
    on_blade = np.flatnonzero((ids > 0) & (ids <= blade_count))
    blade = ids[on_blade] - 1
    ends = np.take(lawn.curves.reshape(-1, 6), blade, axis=0)
    p0, p1, p2 = ends[:, 0:2], ends[:, 2:4], ends[:, 4:6]
    px = np.stack([x[on_blade], y[on_blade]], axis=1)
    chord = p2 - p0
    t = np.sum((px - p0) * chord, axis=1) / (np.sum(chord * chord, axis=1) + 1.0)
    t = np.clip(t, 0.0, 1.0)[:, None]
    offset = px - ((1 - t) ** 2 * p0 + 2 * t * (1 - t) * p1 + t * t * p2)
    along = (1 - t) * (p1 - p0) + t * (p2 - p1)
    side = offset[:, 0] * along[:, 1] - offset[:, 1] * along[:, 0]
    side = side / (np.sqrt(np.sum(along * along, axis=1)) + 1e-3)
    on_leaf = np.flatnonzero(ids > blade_count)
    leaf = ids[on_leaf] - 1 - blade_count
    m = lawn.inverse[leaf]
    lx, ly = x[on_leaf], y[on_leaf]
    w = m[:, 6] * lx + m[:, 7] * ly + m[:, 8]
    u = (m[:, 0] * lx + m[:, 1] * ly + m[:, 2]) / w
    v = (m[:, 3] * lx + m[:, 4] * ly + m[:, 5]) / w
    return Seen(blade, on_blade, t[:, 0], floats(side), leaf, on_leaf, floats(u), floats(v))


def depths(lawn: Planted, ids: Ints, seen: Seen, y: Floats) -> Floats:
    """Give the depth in metres of each sample [S]; `y` is in samples."""
    depth = lawn.camera.ground_depth(floats(y / SUPERSAMPLING))
    ends = lawn.depths[seen.blade]
    depth[seen.on_blade] = mix(ends[:, 0], ends[:, 1], seen.t)
    d = lawn.leaf_depths[seen.leaf]
    depth[seen.on_leaf] = d[:, 0] + d[:, 1] * seen.u + d[:, 2] * seen.v
    return depth


def in_bands(rows: int, band: int, work: Callable[[int, int], None]) -> None:
    """Run `work(first, last)` over bands of rows on two threads; bands share nothing."""
    starts = range(0, rows, band)
    with ThreadPoolExecutor(max_workers=2) as pool:
        for _ in pool.map(lambda start: work(start, min(start + band, rows)), starts):
            pass


def grid(first: int, last: int, width: int, step: int) -> tuple[Floats, Floats]:
    """Give x and y [S] of the middles of all places in rows first..last, `step` apart."""
    y, x = np.mgrid[first:last, 0:width]
    half = step / 2
    return floats(x.reshape(-1) * step + half), floats(y.reshape(-1) * step + half)


def depth_map(lawn: Planted) -> Floats:
    """Give the depth in metres of each pixel's centre sample [H, W]."""
    height, width = lawn.camera.height, lawn.camera.width
    depth = np.empty((height, width), np.float32)

    def work(first: int, last: int) -> None:
        x, y = grid(first, last, width, SUPERSAMPLING)
        ids = lawn.ids[first * 2 + 1 : last * 2 + 1 : 2, 1::2].reshape(-1)
        depth[first:last] = depths(lawn, ids, look(lawn, ids, x, y), y).reshape(-1, width)

    in_bands(height, BAND_ROWS // 2, work)
    return depth
