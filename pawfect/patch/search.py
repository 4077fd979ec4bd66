"""One level of a completion: sources are begun, searched for, and vote."""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.patch import core
from pawfect.patch.core import CHANNELS, RADIUS, VOTED
from pawfect.patch.features import Level, renew_border
from pawfect.picture import raster
from pawfect.stop import Stop, look

# That each pixel's start is chosen from: as many times the hole's pixels, within bounds.
CANDIDATES: Final = 4
LEAST_CANDIDATES: Final = 1500
MOST_CANDIDATES: Final = 6000
# A hole with next to nothing known around it is begun at its own size: of many pixels each has
# fewer candidates, as many in all as where a level is begun that is small, and half as many again.
MOST_BEGUN: Final = 25_000_000
# A thin hole, at most this many px deep, needs fewer: its pixels see what is known on both sides.
THIN: Final = 8
LEAST_THIN: Final = 400
NEAR_REACH: Final = 16  # px, of the search but for each level's first pass and the coarsest level
AGREEMENT: Final = 0.65  # the quantile of the patches' distances that a vote is measured by
DEPTH_SHARE: Final = 1.15  # by which a patch counts more than one that is 1 px deeper in the hole
VOTE_SIGMA: Final = 2.5  # px, of the Gaussian by which a patch's pixels vote
BEGUN: Final = 128  # pixels begun between two looks at `stop`
CHUNK: Final = 16384  # targets worked on between two looks at `stop`: under 0.1 s


def gaussian(radius: int, sigma: float) -> NDArray[np.float64]:
    """Return FLOAT64 [2 radius + 1, 2 radius + 1], 1 in the middle.

    Rounded, since the last bits of an exponential are the library's own.
    """
    squares = np.square(np.arange(-radius, radius + 1, dtype=np.float64))
    return np.asarray(np.exp(-np.add.outer(squares, squares) / (2 * sigma**2)).round(6))


_INNER: Final = (slice(RADIUS, -RADIUS), slice(RADIUS, -RADIUS))
# Weights as whole numbers: votes are sums, the same in any order.
_NEAR: Final = np.rint(1024 * gaussian(RADIUS, VOTE_SIGMA)).astype(np.int64)
_BY_DISTANCE: Final = np.array([round(4096 * math.exp(-i / 64)) for i in range(512)], np.int64)
_BY_DEPTH: Final = np.array([round(2**20 * DEPTH_SHARE**-i) for i in range(96)], np.int64)


def depths(hole: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return px from the rim by the longer side of the way, INT64 [H, W]: an onion's layers."""
    return np.asarray(cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_C, 3).astype(np.int64))


def positions(hole: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows and the columns of a hole's pixels, INT64 [N], in reading order."""
    rows, columns = np.nonzero(hole)
    return np.ascontiguousarray(rows), np.ascontiguousarray(columns)


class Search:
    """One level's sources, and its features as far as they are filled."""

    def __init__(
        self, level: Level, cost: NDArray[np.int32], seed: int, stop: Stop, *, rim: bool
    ) -> None:
        self._seed, self._stop = seed, stop
        self._f = level.bordered()
        self._allowed = level.allowed.view(np.uint8)
        self._cost = cost
        self._hole = level.hole
        self._at = positions(level.hole)
        self._targets = self._at
        if rim:
            # Patches whose middle is seen, but not all of them, have a say too.
            near = raster.grow(level.hole, RADIUS) & level.known
            self._targets = positions(level.hole | near)
        self._depth = depths(level.hole)[self._targets]
        self._apart = np.zeros(level.hole.shape, np.int32)
        self.source = np.full(level.hole.shape, -1, np.int32)

    def begin(self, guide: NDArray[np.int16]) -> None:
        """Fill layer by layer from the rim, each pixel from the best of all candidates."""
        self._lead(guide)
        ys, xs = self._targets
        candidates = np.flatnonzero(self._allowed).astype(np.int32)
        candidates = candidates[:: -(-candidates.size // self._most_candidates())].copy()
        filled = np.zeros((self._f.shape[0], self._hole.shape[1] + 2 * RADIUS), np.uint8)
        filled[_INNER] = ~self._hole
        for layer in range(int(self._depth.min()), int(self._depth.max()) + 1):
            own = np.flatnonzero(self._depth == layer)
            for part in np.array_split(own, -(-own.size // BEGUN)):
                look(self._stop)
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
            if layer:
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
        ys, xs = self._targets
        spare = np.flatnonzero(self._allowed).astype(np.int32)
        for part in _parts(ys.size):
            look(self._stop)
            core.carried_up(
                coarser, self._allowed, ys[part], xs[part], self.source, spare, self._seed
            )
        self._vote(np.full(ys.size, 4096, np.int64))

    def refine(self, passes: int, *, thorough: bool) -> None:
        """Search and vote in turns; the last search is not voted on."""
        ys, xs = self._targets
        widest = max(self._hole.shape) // 2
        parts = _parts(ys.size)
        for number in range(passes):
            reach = widest if thorough or number == 0 else NEAR_REACH
            for part in parts:
                look(self._stop)
                core.measure(self._f, self._cost, ys[part], xs[part], self.source, self._apart)
            for backwards in (False, True):
                seed = (self._seed + 2 * number + backwards) % 2**63
                for part in reversed(parts) if backwards else parts:
                    look(self._stop)
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
        apart = self._apart[self._targets].astype(np.int64)
        rank = int(AGREEMENT * (apart.size - 1))
        usual = max(1, int(np.partition(apart, rank)[rank]))
        near = _BY_DISTANCE[np.minimum(32 * apart // usual, _BY_DISTANCE.size - 1)]
        return np.asarray(near, np.int64)

    def _vote(self, agreement: NDArray[np.int64]) -> None:
        ys, xs = self._at
        weight = np.zeros(self._hole.shape, np.int64)
        near_rim = _BY_DEPTH[np.minimum(self._depth, _BY_DEPTH.size - 1)]
        weight[self._targets] = np.maximum(agreement * near_rim // 4096, 1)
        # Copies are made of what is known, and written where nothing is: parts change nothing.
        for part in _parts(ys.size):
            look(self._stop)
            core.vote(self._f, ys[part], xs[part], self.source, weight, _NEAR)
        renew_border(self._f)


def _parts(size: int) -> list[slice]:
    """Return the parts of so many targets that are worked on between two looks at `stop`."""
    return [slice(i, i + CHUNK) for i in range(0, size, CHUNK)]
