"""The guide: what a hole should look like from afar, before its patches are looked for.

There are two guides. A soap film through the hole, spanned over means of what is seen around it,
keeps a sharp flower out of a blurred lawn; it is right where the surroundings change slowly. The
same hole filled at a lower resolution, where one patch sees across it, knows where a window frame
turns. How well the film would have told what is seen decides between them.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pawfect.patch.features import Level
from pawfect.patch.kept import compiled

FILM: Final = 0.4
"""Of the film's colour beside the patches' own, and half of it for its texture."""
ROUGH: Final = 0.25  # of a filled coarser level's
CELL: Final = 0.3  # of the hole's side: a cell of the film
LEAST_CELL: Final = 4  # px
HELD_CELL: Final = 0.5  # of a cell's area has to be seen
RELAXATIONS: Final = 200  # over some ten cells each way: as good as solved
SURPRISE: Final = 0.8
"""Of the squared difference between a cell and the mean of those around it, against the cells' own
variance: the film is trusted by what is left of 1."""
SEVERAL: Final = 0.6  # mean trust of surroundings of several grounds, at most
ONE: Final = 0.72  # and of one, at least
LEAST_CELLS: Final = 6  # that have to be told from their neighbours, else the film is trusted

Array = NDArray[Any]


def guide(level: Level, rough: NDArray[np.int16] | None) -> NDArray[np.int16]:
    """Tell lightness, hue and texture of a level from afar, hole and all.

    Args:
        level: the scale that is filled next.
        rough: INT16 [h, w, CHANNELS], half as large, filled; None where there is none.

    Returns:
        INT16 [H, W, 3], to be compared as features are.
    """
    height, width = level.hole.shape
    cell = _cell(level)
    film, trust = _film(_from_afar(level.features), level.known.view(np.uint8), cell)
    told: NDArray[np.int16] = _enlarged(film * (FILM * trust), cell, height, width)
    if rough is not None:
        told += _enlarged(_from_afar(rough) * (ROUGH * (1.0 - trust)), 2, height, width)
    return told


def one_ground(level: Level) -> float:
    """Tell how far a level's surroundings are of one ground, that changes slowly: 0 to 1."""
    _, trust = _film(_from_afar(level.features), level.known.view(np.uint8), _cell(level))
    return min(max((float(trust.mean()) - SEVERAL) / (ONE - SEVERAL), 0.0), 1.0)


def _cell(level: Level) -> int:
    return max(LEAST_CELL, round(CELL * level.side))


def _from_afar(features: NDArray[np.int16]) -> NDArray[np.float64]:
    """Return lightness, hue and half the texture: whole and half numbers, FLOAT64 [H, W, 3]."""
    texture = 0.5 * (features[..., 3].astype(np.float64) + features[..., 4])
    return np.stack([features[..., 0], features[..., 1], texture], -1)


def _film(values: Array, seen: Array, cell: int) -> tuple[Array, Array]:
    """Average what is seen by cells, span a film over the others, and say how far to trust it."""
    rows, columns = -(-seen.shape[0] // cell), -(-seen.shape[1] // cell)
    total, count = _sums(values, seen, cell, rows, columns)
    total, count = _blurred(total), _blurred(count[..., None])[..., 0]
    # The blur adds up 16 cells' worth.
    held = count > 16 * HELD_CELL * cell * cell
    return _relaxed(total, count, held), _trust(total, count, held)


@compiled
def _sums(values: Array, seen: Array, cell: int, rows: int, columns: int) -> Any:
    """Sum the seen values of each cell, and count them."""
    total = np.zeros((rows, columns, values.shape[2]))
    count = np.zeros((rows, columns))
    for y in range(seen.shape[0]):
        for x in range(seen.shape[1]):
            if seen[y, x]:
                count[y // cell, x // cell] += 1
                for k in range(values.shape[2]):
                    total[y // cell, x // cell, k] += values[y, x, k]
    return total, count


def _blurred(sums: Array) -> Array:
    """Add up each cell and its eight neighbours by 4, 2 and 1: 16 times a mean, less at the rim."""
    for axis in (0, 1):
        wide = np.pad(sums, [(1, 1) if a == axis else (0, 0) for a in range(sums.ndim)])
        size = sums.shape[axis]
        first, middle, last = (wide.take(range(i, i + size), axis) for i in range(3))
        sums = first + 2 * middle + last
    return sums


@compiled
def _trust(total: Array, count: Array, held: Array) -> Any:
    """Tell how well each channel of a cell follows from those around it: 1 well, 0 not at all.

    Blurred cells share what they hold with the next ones, so it is those after next that tell.
    """
    rows, columns, channels = total.shape
    trust = np.ones(channels)
    for k in range(channels):
        number, values, squares, surprise = 0, 0.0, 0.0, 0.0
        for y in range(rows):
            for x in range(columns):
                if not held[y, x]:
                    continue
                told, around = 0, 0.0
                for dy, dx in ((0, 2), (2, 0), (0, -2), (-2, 0)):
                    ny, nx = y + dy, x + dx
                    if 0 <= ny < rows and 0 <= nx < columns and held[ny, nx]:
                        told += 1
                        around += total[ny, nx, k] / count[ny, nx]
                if told < 3:
                    continue
                value = total[y, x, k] / count[y, x]
                number += 1
                values += value
                squares += value * value
                surprise += (value - around / told) ** 2
        if number >= LEAST_CELLS:
            variance = max(squares - values * values / number, 1e-6)
            trust[k] = min(max(1.0 - SURPRISE * surprise / variance, 0.0), 1.0)
    return trust


@compiled
def _relaxed(total: Array, count: Array, held: Array) -> Any:
    """Average the cells that hold enough, and relax the others between their neighbours."""
    rows, columns, channels = total.shape
    film = np.zeros((rows, columns, channels))
    mass = max(1.0, count.sum())
    for k in range(channels):
        mean = total[:, :, k].sum() / mass
        for y in range(rows):
            for x in range(columns):
                film[y, x, k] = total[y, x, k] / count[y, x] if held[y, x] else mean
    for _ in range(RELAXATIONS):
        for y in range(rows):
            for x in range(columns):
                if held[y, x]:
                    continue
                up, down = max(0, y - 1), min(rows - 1, y + 1)
                left, right = max(0, x - 1), min(columns - 1, x + 1)
                for k in range(channels):
                    film[y, x, k] = 0.25 * (
                        film[up, x, k] + film[down, x, k] + film[y, left, k] + film[y, right, k]
                    )
    return film


@compiled
def _enlarged(film: Array, cell: int, height: int, width: int) -> Any:
    """Enlarge cells to pixels, linear between their middles."""
    rows, columns, channels = film.shape
    out = np.zeros((height, width, channels), np.int16)
    for y in range(height):
        fy = min(max((y + 0.5) / cell - 0.5, 0.0), rows - 1.0)
        y0 = int(fy)
        y1, ty = min(y0 + 1, rows - 1), fy - y0
        for x in range(width):
            fx = min(max((x + 0.5) / cell - 0.5, 0.0), columns - 1.0)
            x0 = int(fx)
            x1, tx = min(x0 + 1, columns - 1), fx - x0
            for k in range(channels):
                top = film[y0, x0, k] * (1 - tx) + film[y0, x1, k] * tx
                foot = film[y1, x0, k] * (1 - tx) + film[y1, x1, k] * tx
                out[y, x, k] = int(np.floor(top * (1 - ty) + foot * ty + 0.5))
    return out
