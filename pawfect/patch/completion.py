"""Coarse to fine: where each pixel of a hole comes from.

Completion by coherent patches (Wexler, Shechtman and Irani, PAMI 2007) with the search of
PatchMatch (Barnes et al., SIGGRAPH 2009): every pixel of the hole has a source; in turns better
sources are looked for and the patches vote on the pixels they cover. Texture is voted like colour.
"""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.patch import core
from pawfect.patch.core import CHANNELS, RADIUS, SIDE, VOTED
from pawfect.patch.features import Level, pyramid, renew_border
from pawfect.patch.foreign import NOTHING_FOREIGN, Foreign, foreignness
from pawfect.patch.guide import guide
from pawfect.patch.lead import drawn_levels
from pawfect.patch.repeats import repeated
from pawfect.picture import raster
from pawfect.stop import Stop

PASSES: Final = (14, 5, 4, 3)
"""Searches and votes, from the coarsest level to the finest."""
BEGUN_SIDE: Final = 54.0
"""px, the most: side of the hole on the level where its texture is begun, guided by coarser ones.
Half of it halves the time and costs 0.004 ST-LPIPS."""
# That each pixel's start is chosen from: as many times the hole's pixels, within bounds.
CANDIDATES: Final = 4
LEAST_CANDIDATES: Final = 1500
MOST_CANDIDATES: Final = 6000
# A hole with next to nothing known around it is begun at its own size: of many pixels each has
# fewer candidates, as many in all as where BEGUN_SIDE is kept, and half as many again.
MOST_BEGUN: Final = 25_000_000
# A thin hole, at most this many px deep, needs fewer: its pixels see what is known on both sides.
THIN: Final = 8
LEAST_THIN: Final = 400
SLIM: Final = 16  # px deep at most: nothing is foreign to such a hole
FOREIGN: Final = 5000.0
"""Of a wholly foreign source, a pixel of its patch: more than any other difference."""
NEAR_REACH: Final = 16  # px, of the search but for each level's first pass and the coarsest level
AGREEMENT: Final = 0.65  # the quantile of the patches' distances that a vote is measured by
DEPTH_SHARE: Final = 1.15  # by which a patch counts more than one that is 1 px deeper in the hole
VOTE_SIGMA: Final = 2.5  # px, of the Gaussian by which a patch's pixels vote
SEAM_SIGMA: Final = 0.45  # px, of the last blend across seams between copies
BEGUN: Final = 128  # pixels begun between two looks at `stop`
CHUNK: Final = 16384  # targets worked on between two looks at `stop`: under 0.1 s


def _gaussian(radius: int, sigma: float) -> NDArray[np.float64]:
    squares = np.square(np.arange(-radius, radius + 1, dtype=np.float64))
    # Rounded, since the last bits of an exponential are the library's own.
    return np.asarray(np.exp(-np.add.outer(squares, squares) / (2 * sigma**2)).round(6))


_INNER: Final = (slice(RADIUS, -RADIUS), slice(RADIUS, -RADIUS))
_STRIDE: Final = 1_000_003  # between the levels' seeds
# Weights as whole numbers: votes are sums, the same in any order.
_NEAR: Final = np.rint(1024 * _gaussian(RADIUS, VOTE_SIGMA)).astype(np.int64)
_SEAM: Final = _gaussian(1, SEAM_SIGMA)
_BY_DISTANCE: Final = np.array([round(4096 * math.exp(-i / 64)) for i in range(512)], np.int64)
_BY_DEPTH: Final = np.array([round(2**20 * DEPTH_SHARE**-i) for i in range(96)], np.int64)


def complete(
    image: NDArray[np.uint8],
    hole: NDArray[np.bool_],
    banned: NDArray[np.bool_],
    seed: int,
    stop: Stop,
    drawing: NDArray[np.uint8] | None = None,
) -> tuple[NDArray[np.int32], NDArray[np.float64]] | None:
    """Find a source for each pixel of a hole, and copy from there.

    Args:
        image: UINT8 [H, W, 3] RGB.
        hole: [H, W], at least one pixel.
        banned: [H, W], neither copied from nor compared with.
        seed: 0 to 2**63 - 1.
        stop: looked at every 0.1 s or so.
        drawing: UINT8 [H, W, 3] RGB, what all of the picture is to look like from afar, or None.

    Returns:
        INT32 [H, W], the flat index of each hole pixel's source, else -1; and the colours there,
        FLOAT64 [N, 3] in reading order. None where nothing can be copied.

    Raises:
        PawfectError: CANCELLED, since `stop` said so.
    """
    ys, xs = positions(hole)
    source = repeated(image, hole, ~hole & ~banned)
    if source is not None:
        return source, core.copied(image, ys, xs, source, _SEAM)
    lab = raster.to_lab_bytes(image)
    levels = pyramid(lab, hole, banned)
    if not levels[0].allowed.any():
        return None
    begun = sum(level.side > BEGUN_SIDE for level in levels)
    begun = min(max(begun, 1), len(levels) - 1)
    drawn: list[NDArray[np.int16]] = []
    if drawing is not None:
        levels = levels[: begun + 1]
        drawn = drawn_levels(levels, drawing)
    # A drawing says itself what belongs there.
    foreign = NOTHING_FOREIGN if drawing is not None else _foreign(lab, hole, levels[0])
    rough: NDArray[np.int16] | None = None
    coarser: NDArray[np.int32] | None = None
    for number in reversed(range(len(levels))):
        cost = _cost(foreign, number, levels[number])
        search = _Search(levels[number], cost, (seed + _STRIDE * number) % 2**63, stop)
        if coarser is None or number == begun:
            told = guide(levels[number], rough)
            if drawn:
                # Its colours, but not its texture: of that a drawing's blur says nothing.
                told[..., :2] = drawn[number][..., :2]
            search.begin(told)
        else:
            search.carry_up(coarser, drawn[number] if drawn else None)
        passes = PASSES[min(max(0, begun - number), len(PASSES) - 1)]
        search.refine(passes, thorough=number >= begun)
        coarser = search.source
        if number > begun:
            rough = search.settle()
    assert coarser is not None
    source = np.where(hole, coarser, np.int32(-1))
    return source, core.copied(image, ys, xs, source, _SEAM)


def _foreign(lab: NDArray[np.uint8], hole: NDArray[np.bool_], level: Level) -> Foreign:
    """Measure what is foreign to a hole, but to a thin one, which sees what is on both sides."""
    if int(_depths(hole).max()) <= SLIM:
        return NOTHING_FOREIGN
    return foreignness(lab, hole, level.allowed)


def _cost(foreign: Foreign, number: int, level: Level) -> NDArray[np.int32]:
    """Return what copying from each pixel of a level costs, by the cell that its corner lies in."""
    per_cell = np.rint(FOREIGN * SIDE * SIDE * foreign.share).astype(np.int32)
    rows, columns = (
        np.minimum((np.arange(size) << number) // foreign.cell, cells - 1)
        for size, cells in zip(level.hole.shape, per_cell.shape, strict=True)
    )
    return np.asarray(per_cell[rows[:, None], columns])


def _depths(hole: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return px from the rim by the longer side of the way, INT64 [H, W]: an onion's layers."""
    return np.asarray(cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_C, 3).astype(np.int64))


def positions(hole: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows and the columns of a hole's pixels, INT64 [N], in reading order."""
    rows, columns = np.nonzero(hole)
    return np.ascontiguousarray(rows), np.ascontiguousarray(columns)


class _Search:
    """One level's sources, and its features as far as they are filled."""

    def __init__(self, level: Level, cost: NDArray[np.int32], seed: int, stop: Stop) -> None:
        self._seed, self._stop = seed, stop
        self._f = level.bordered()
        self._allowed = level.allowed.view(np.uint8)
        self._cost = cost
        self._hole = level.hole
        self._at = positions(level.hole)
        self._depth = _depths(level.hole)[self._at]
        self._apart = np.zeros(level.hole.shape, np.int32)
        self.source = np.full(level.hole.shape, -1, np.int32)

    def begin(self, guide: NDArray[np.int16]) -> None:
        """Fill layer by layer from the rim, each pixel from the best of all candidates."""
        self._lead(guide)
        ys, xs = self._at
        candidates = np.flatnonzero(self._allowed).astype(np.int32)
        candidates = candidates[:: -(-candidates.size // self._most_candidates())].copy()
        filled = np.zeros((self._f.shape[0], self._hole.shape[1] + 2 * RADIUS), np.uint8)
        filled[_INNER] = ~self._hole
        for layer in range(1, int(self._depth.max()) + 1):
            own = np.flatnonzero(self._depth == layer)
            for part in np.array_split(own, -(-own.size // BEGUN)):
                self._look()
                core.begin(
                    self._f,
                    filled,
                    self._allowed,
                    self._cost,
                    ys[part],
                    xs[part],
                    candidates,
                    self.source,
                )
            core.fill_in(self._f, filled, ys[own], xs[own], self.source)
        renew_border(self._f)

    def _lead(self, guide: NDArray[np.int16]) -> None:
        self._f.reshape(self._f.shape[0], -1, CHANNELS)[_INNER + (slice(VOTED, None),)] = guide
        renew_border(self._f)

    def _most_candidates(self) -> int:
        thin = min(1.0, int(self._depth.max()) / THIN)
        least = LEAST_CANDIDATES if thin == 1.0 else LEAST_THIN
        most = min(MOST_CANDIDATES, max(1, MOST_BEGUN // self._at[0].size))
        return min(max(round(CANDIDATES * thin * self._at[0].size), least), most)

    def carry_up(self, coarser: NDArray[np.int32], guide: NDArray[np.int16] | None = None) -> None:
        """Take over the sources of a level half as large."""
        if guide is not None:
            self._lead(guide)
        ys, xs = self._at
        spare = np.flatnonzero(self._allowed).astype(np.int32)
        core.carried_up(coarser, self._allowed, ys, xs, self.source, spare, self._seed)
        self._vote(np.full(ys.size, 4096, np.int64))

    def refine(self, passes: int, *, thorough: bool) -> None:
        """Search and vote in turns; the last search is not voted on."""
        ys, xs = self._at
        widest = max(self._hole.shape) // 2
        parts = [slice(i, i + CHUNK) for i in range(0, ys.size, CHUNK)]
        for number in range(passes):
            reach = widest if thorough or number == 0 else NEAR_REACH
            core.measure(self._f, self._cost, ys, xs, self.source, self._apart)
            for backwards in (False, True):
                seed = (self._seed + 2 * number + backwards) % 2**63
                for part in reversed(parts) if backwards else parts:
                    self._look()
                    core.scan(
                        self._f, self._allowed, self._cost, ys[part], xs[part], self.source,
                        self._apart, reach, seed, backwards,
                    )  # fmt: skip
            if number < passes - 1:
                self._vote(self._agreement())

    def settle(self) -> NDArray[np.int16]:
        """Vote once more; return the filled features, INT16 [H, W, CHANNELS]."""
        self._vote(self._agreement())
        return self._f.reshape(self._f.shape[0], -1, CHANNELS)[_INNER]

    def _agreement(self) -> NDArray[np.int64]:
        """Weigh each target's patch by how near its source is, and less deep in the hole."""
        apart = self._apart[self._at].astype(np.int64)
        rank = int(AGREEMENT * (apart.size - 1))
        usual = max(1, int(np.partition(apart, rank)[rank]))
        near = _BY_DISTANCE[np.minimum(32 * apart // usual, _BY_DISTANCE.size - 1)]
        return np.asarray(near, np.int64)

    def _vote(self, agreement: NDArray[np.int64]) -> None:
        ys, xs = self._at
        weight = np.zeros(self._hole.shape, np.int64)
        near_rim = _BY_DEPTH[np.minimum(self._depth, _BY_DEPTH.size - 1)]
        weight[self._at] = np.maximum(agreement * near_rim // 4096, 1)
        self._look()
        core.vote(self._f, ys, xs, self.source, weight, _NEAR)
        renew_border(self._f)

    def _look(self) -> None:
        if self._stop():
            raise PawfectError(ErrorKind.CANCELLED, "patch_fill: told to stop")
