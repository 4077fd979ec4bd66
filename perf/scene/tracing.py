"""Looking at solids: where rays meet them, which part is there, what sun and sky reach it.

Rays are sphere-traced (Hart 1996, "Sphere tracing"). Points are worked on in tiles, each against
only the solids that matter to it.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from perf.scene.arrays import Floats, Rows, floats, unit
from perf.scene.solids import Solid, union

TILE_POINTS = 2000
"""Points worked on together: enough to keep numpy busy, few enough to miss most solids."""

HIT_M = 0.0009
"""A ray this near to a surface has hit it: half a pixel at the dog's distance."""

FORGOTTEN_M = 0.05
"""Farther than seven times the widest blend between two coats."""


@dataclass(frozen=True)
class Surface:
    """What rays hit: index of the ray, point and normal of each hit, in solid axes ([H, 3])."""

    index: Rows
    points: Floats
    normals: Floats


def blocks(rows: int, columns: int, side: int = 40) -> list[Rows]:
    """Cut a grid of rays into square blocks: the flat indices of each."""
    index = np.arange(rows * columns, dtype=np.int64).reshape(rows, columns)
    return [
        index[y : y + side, x : x + side].reshape(-1)
        for y in range(0, rows, side)
        for x in range(0, columns, side)
    ]


def trace(
    solids: Sequence[Solid],
    origin: Floats,
    rays: Floats,
    bundles: Sequence[Rows],
    near: float,
    far: float,
    steps: int = 48,
) -> Surface:
    """Sphere-trace unit rays [N, 3] from one origin [3] between two distances in metres.

    Rays go in bundles, each against the solids that it can meet; hits come bundle by bundle.
    """

    def work(bundle: Rows) -> tuple[Rows, Floats, Floats]:
        present = in_cone(solids, origin, rays[bundle])
        active = np.arange(len(bundle) if present else 0)
        directions, travelled = rays[bundle], np.full(len(bundle), near, np.float32)
        hit = np.zeros(len(bundle), np.bool_)
        for _ in range(steps):
            if len(active) == 0:
                break
            gap = union(present, origin + directions[active] * travelled[active, None])
            arrived = gap < HIT_M
            hit[active[arrived]] = True
            travelled[active] += np.where(arrived, 0.0, gap * 0.95)
            active = active[~arrived & (travelled[active] < far)]
        points = floats(origin + directions[hit] * travelled[hit, None])
        outward = normals(present, points) if len(points) else points
        return bundle[hit], points, outward

    with ThreadPoolExecutor(max_workers=2) as pool:
        found = list(pool.map(work, bundles))
    index, points, outward = (np.concatenate(part) for part in zip(*found, strict=True))
    return Surface(index, floats(points), floats(outward))


def in_cone(solids: Sequence[Solid], origin: Floats, rays: Floats) -> list[Solid]:
    """Give the solids that a bundle of unit rays [N, 3] can come near, blends included."""
    axis = unit(floats(rays.mean(axis=0)))
    spread = float(np.sqrt(np.maximum(1 - np.min(rays @ axis) ** 2, 0.0)))
    chosen = []
    for solid in solids:
        centre, radius = solid.bound()
        offset = floats(centre) - origin
        along = float(offset @ axis)
        aside = float(np.sqrt(max(float(offset @ offset) - along * along, 0.0)))
        if aside < radius + 0.03 + spread * along * 1.1:
            chosen.append(solid)
    return chosen


def normals(solids: Sequence[Solid], points: Floats, step: float = 0.0015) -> Floats:
    """Outward unit normals [P, 3] from four taps on a tetrahedron."""
    total = np.zeros_like(points)
    for corner in floats([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]]):
        total += corner * union(solids, points + corner * np.float32(step))[:, None]
    return unit(total)


def in_beam(solids: Sequence[Solid], points: Floats, towards: Floats, margin: float) -> list[Solid]:
    """Give the solids within `margin` metres of the beam that points [P, 3] send `towards`."""
    low, high = points.min(axis=0), points.max(axis=0)
    middle = (low + high) / 2
    reach = float(np.sqrt(np.sum((high - low) ** 2))) / 2 + margin
    chosen = []
    for solid in solids:
        centre, radius = solid.bound()
        offset = centre - middle
        along = max(float(offset @ towards), 0.0)
        if float(np.sqrt(np.sum((offset - along * towards) ** 2))) < radius + reach:
            chosen.append(solid)
    return chosen


def in_tiles(count: int, work: Callable[[slice], None]) -> None:
    """Run `work` on consecutive runs of `count` points on two threads; runs share nothing."""
    runs = [slice(i, min(i + TILE_POINTS, count)) for i in range(0, count, TILE_POINTS)]
    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(work, runs))


def nearness(solids: Sequence[Solid], points: Floats, parts: Sequence[str], reach: float) -> Floats:
    """Share of every part at points [P, 3]: FLOAT32 [P, len(parts)], rows sum to one.

    A part's weight falls by e for every `reach` metres that it is farther than the nearest;
    solids more than FORGOTTEN_M away count for nothing.
    """
    share = np.zeros((len(points), len(parts)), np.float32)

    def work(run: slice) -> None:
        here = points[run]
        distance = np.full((len(parts), len(here)), 9.0, np.float32)
        for solid in in_beam(solids, here, np.zeros(3, np.float32), FORGOTTEN_M):
            column = parts.index(solid.part)
            distance[column] = np.minimum(distance[column], solid.distance(here))
        weight = np.exp((distance.min(axis=0) - distance) / reach)
        share[run] = (weight / weight.sum(axis=0)).T

    in_tiles(len(points), work)
    return share


def openness(
    solids: Sequence[Solid], points: Floats, outward: Floats, reach: float = 0.16
) -> Floats:
    """Share of the sky that surface points [P] see, from distance taps along the normal."""
    seen = np.ones(len(points), np.float32)

    def work(run: slice) -> None:
        here, up = points[run], outward[run]
        near = in_beam(solids, here, np.zeros(3, np.float32), 2 * reach)
        blocked = np.zeros(len(here), np.float32)
        for k, weight in ((0.15, 1.1), (0.4, 0.8), (1.0, 0.6)) if near else ():
            away = np.float32(k * reach)
            gap = union(near, here + up * away)
            blocked += weight * np.maximum(away - gap, 0) / away
        seen[run] = np.clip(1.0 - blocked * 0.45, 0.05, 1.0)

    in_tiles(len(points), work)
    return seen


def sunlit(
    solids: Sequence[Solid],
    points: Floats,
    to_sun: Floats,
    softness: float = 9.0,
    start: float = 0.02,
) -> Floats:
    """Share of the sun that points [P] see; lower `softness` widens the penumbra."""
    seen = np.ones(len(points), np.float32)

    def work(run: slice) -> None:
        here = points[run]
        near = in_beam(solids, here, to_sun, 0.10)
        if not near:
            return
        share = seen[run]
        travelled = np.full(len(here), start, np.float32)
        for _ in range(14):
            gap = union(near, here + to_sun * travelled[:, None])
            share = np.minimum(share, np.clip(0.5 + 0.5 * softness * gap / travelled, 0, 1))
            travelled += np.clip(gap, 0.012, 0.10)
        seen[run] = share * share * (3 - 2 * share)

    in_tiles(len(points), work)
    return seen
