"""What is foreign to a hole: surfaces that are not to be found in the ring around it.

A dog that sits beside a hole in a lawn matches its rim well enough, seen small; at full size its
fur differs from grass. So the photo is cut into cells, each described by its colours and by how
strong the detail of two widths is in lightness and in hue, and a cell is foreign as far as it is
unlike a share of the ring's own: by less where it hangs together with others that are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.patch.kept import compiled
from pawfect.picture import raster
from pawfect.stop import Stop, look, never

CELL: Final = 1 / 30  # of the hole's side
LEAST_CELL: Final = 4  # px
RING: Final = 0.12  # of the hole's side: a wider ring takes in what stands beside the hole
LEAST_RING: Final = 16  # px
SHARE: Final = 0.08  # of the ring's cells that a cell has to be like
USUAL: Final = 0.9  # quantile of the ring's own unlikeness: up to it nothing is surely foreign
LIKELY: Final = 0.6  # and up to it nothing is likely foreign
SURE_SHARE: Final = 0.3  # of the cells of a foreign body: so many are surely foreign
GAIN: Final = 2.0  # foreign in full where 1 + 1 / GAIN times as unlike as usual
LEAST_RING_CELLS: Final = 24  # fewer tell nothing
MOST_RING_CELLS: Final = 256
AT_ONCE: Final = 4096  # cells compared with the ring's: 8 MB
APART: Final = 3  # cells: nearer ones are much the same and do not count
# What counts as much: so many levels of 255 of a, b and L, and this factor (natural logarithm) of
# detail. In whole sixteenths, so that all distances are exact.
_UNITS: Final = np.array([5.0, 5.0, 30.0, 0.3, 0.3, 0.3, 0.3, 0.3]) / 16
FINE: Final = (3, 7)  # px, of the means that detail is measured against

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Foreign:
    """How foreign each part of a picture is.

    Attributes:
        share: FLOAT64 [rows, columns] of cells, 0 at home to 1 foreign.
        cell: a cell's side, px.
    """

    share: NDArray[np.float64]
    cell: int


NOTHING_FOREIGN: Final = Foreign(np.zeros((1, 1)), 1)


def foreignness(
    lab: NDArray[np.uint8], hole: NDArray[np.bool_], allowed: NDArray[np.bool_], stop: Stop = never
) -> Foreign:
    """Measure how foreign each part of a picture is to a hole in it.

    Args:
        lab: UINT8 [H, W, 3], the picture in CIELAB as `raster.to_lab_bytes` gives it.
        hole: [H, W].
        allowed: [H, W], the middles of whole known patches.
        stop: looked at between its steps.
    """
    side = math.sqrt(np.count_nonzero(hole))
    cell = max(LEAST_CELL, round(CELL * side))
    rows, columns = -(-hole.shape[0] // cell), -(-hole.shape[1] // cell)
    sums = [cv2.boxFilter(lab, cv2.CV_32S, (n, n), normalize=False) for n in FINE]
    near = raster.grow(hole, max(LEAST_RING, round(RING * side)))
    look(stop)
    count, ring, total = _totals(
        lab, sums[0], sums[1], allowed.view(np.uint8), near.view(np.uint8), cell, rows, columns
    )
    count, ring, total = (_around(plane) for plane in (count, ring, total))
    # A neighbourhood of 3 x 3 cells: a quarter of it has to be known, half of that in the ring.
    known = 4 * count >= 9 * cell * cell
    at_home = known & (2 * ring >= count)
    ys, xs = np.nonzero(known)
    own = np.flatnonzero(at_home[ys, xs])
    if own.size < LEAST_RING_CELLS:
        return Foreign(np.zeros((rows, columns)), cell)
    own = own[:: -(-own.size // MOST_RING_CELLS)]
    told = _described(total[ys, xs], count[ys, xs])
    places = np.stack([ys, xs], -1)
    parts = []
    for at in range(0, ys.size, AT_ONCE):
        look(stop)
        some = slice(at, at + AT_ONCE)
        parts.append(_unlikeness(told[some], places[some], told[own], places[own]))
    unlike = np.concatenate(parts)
    surely, likely = (_share(unlike, unlike[own], known, usual) for usual in (USUAL, LIKELY))
    share = _of_one_body(surely, likely)
    # The cells at an object's edge show some of both.
    return Foreign(np.asarray(cv2.dilate(share, np.ones((3, 3), np.uint8))), cell)


def _share(unlike: Array, own: Array, known: NDArray[np.bool_], usual: float) -> Array:
    """Return how foreign each cell is, 0 to 1, against a quantile of the ring's own unlikeness."""
    rank = int(usual * (own.size - 1))
    most = max(1.0, float(np.partition(own, rank)[rank]))
    share = np.zeros(known.shape)
    share[known] = np.clip(GAIN * (unlike / most - 1.0), 0.0, 1.0)
    return share


def _of_one_body(surely: Array, likely: Array) -> Array:
    """Take cells as likely foreign where they hang together with enough that surely are.

    A dog's paw in dry grass is like grass, but it is one with the dog.
    """
    count, labels = cv2.connectedComponents((likely > 0).astype(np.uint8), connectivity=8)
    sure = np.bincount(labels.ravel(), (surely >= 1.0).ravel(), count)
    body = sure >= SURE_SHARE * np.bincount(labels.ravel(), minlength=count)
    body[0] = False
    return np.where(body[labels], np.maximum(surely, likely), surely)


@compiled
def _totals(
    lab: Array,
    narrow: Array,
    wide: Array,
    allowed: Array,
    near: Array,
    cell: int,
    rows: int,
    columns: int,
) -> Any:
    """Count the pixels of each cell, and those near the hole, and add up what describes them."""
    count, ring = np.zeros((rows, columns)), np.zeros((rows, columns))
    total = np.zeros((rows, columns, 9))
    for y in range(lab.shape[0]):
        for x in range(lab.shape[1]):
            if not allowed[y, x]:
                continue
            r, c = y // cell, x // cell
            count[r, c] += 1
            ring[r, c] += near[y, x]
            for k in range(3):
                value = int(lab[y, x, k])
                fine = 9 * value - narrow[y, x, k]
                coarse = 49 * value - wide[y, x, k]
                of = 0 if k == 0 else 1
                total[r, c, k] += value
                total[r, c, 3 + of] += fine * fine
                total[r, c, 5 + of] += coarse * coarse
                if k:
                    total[r, c, 7] += value * value
    return count, ring, total


def _around(plane: Array) -> Array:
    """Add up each cell and its eight neighbours; whole numbers, so exact."""
    return np.asarray(
        cv2.boxFilter(plane, -1, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT)
        if plane.ndim == 2
        else np.stack([_around(np.ascontiguousarray(p)) for p in np.moveaxis(plane, -1, 0)], -1)
    )


def _described(total: Array, count: Array) -> Array:
    """Describe cells by whole numbers that count alike, FLOAT64 [N, 8]."""
    mean = total / count[:, None]
    hue = np.maximum(mean[:, 7] - mean[:, 1] ** 2 - mean[:, 2] ** 2, 0.0)
    detail = np.stack(
        [mean[:, 3] / 81, mean[:, 4] / 81, mean[:, 5] / 2401, mean[:, 6] / 2401, hue], -1
    )
    # 0.5 of 255 levels is what rounding leaves.
    values = np.concatenate([mean[:, 1:3], mean[:, :1], np.log(np.sqrt(detail) + 0.5)], axis=1)
    return np.asarray(np.rint(values / _UNITS))


def _unlikeness(told: Array, places: Array, ring: Array, ring_places: Array) -> Array:
    """Return each cell's distance to the nearest SHARE of the ring's that do not lie beside it."""
    squares = np.square(told).sum(1)[:, None] + np.square(ring).sum(1) - 2 * told @ ring.T
    beside = np.abs(places[:, None] - ring_places).max(2) <= APART
    squares[beside] = np.inf
    rank = min(max(3, int(SHARE * len(ring))), len(ring) - 1)
    nearest = np.partition(squares, rank, axis=1)[:, rank]
    return np.asarray(np.sqrt(np.where(np.isfinite(nearest), nearest, 0.0)))
