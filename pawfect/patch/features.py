"""What patches are compared by, level by level: colour, texture, and a guide through the hole."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.patch.core import CHANNELS, RADIUS, SIDE, VOTED, compiled, halved
from pawfect.picture import raster

CHROMA: Final = 1.5  # of CIELAB's a and b beside L, which counts 2.55 as in OpenCV's bytes
TEXTURE: Final = 4.5
"""Of the mean slope of 7 px: without texture 0.175 in place of 0.121 ST-LPIPS on tuning photos."""
GUIDE: Final = 0.4
"""Of the guide's colour beside the patches' own, and half of it for its texture. It leads the
coarsest level only: ST-LPIPS on surroundings out of focus 0.056 in place of 0.085, on structure
0.066 in place of 0.063; on all levels 0.058 and 0.066."""
GUIDE_CELL: Final = 0.3  # of the hole's side: a cell of the guide
RELAXATIONS: Final = 200  # over some ten cells each way: as good as solved
COARSEST_SIDE: Final = 54.0
"""px, the most: side of the hole on the coarsest level. Half of it halves the time and costs
0.004 ST-LPIPS."""
LEAST_SIDE: Final = 32  # px: a smaller level has no surroundings left


@dataclass(frozen=True, eq=False)
class Level:
    """A picture at one scale.

    Attributes:
        features: INT16 [H, W, CHANNELS]: L, a, b, texture across and down; on the coarsest level
            the guide's three, which the hole has too, else zeros.
        hole: [H, W], to be filled.
        known: [H, W], may be copied from.
    """

    features: NDArray[np.int16]
    hole: NDArray[np.bool_]
    known: NDArray[np.bool_]

    @property
    def allowed(self) -> NDArray[np.bool_]:
        """The middles of whole known patches, [H, W]."""
        return ~raster.grow(~self.known, RADIUS, border=True)

    def bordered(self) -> NDArray[np.int16]:
        """Return the features with RADIUS px of border, INT16 [H + 6, (W + 6) * CHANNELS]."""
        out = np.zeros((self.hole.shape[0] + SIDE - 1, self.hole.shape[1] + SIDE - 1, CHANNELS))
        out = out.astype(np.int16)
        out[RADIUS:-RADIUS, RADIUS:-RADIUS] = self.features
        out[RADIUS:-RADIUS, RADIUS:-RADIUS, :VOTED][self.hole] = 0
        flat = out.reshape(out.shape[0], -1)
        renew_border(flat)
        return flat


def renew_border(f: NDArray[np.int16]) -> None:
    """Repeat the outermost pixels of bordered features into their border."""
    wide = f.reshape(f.shape[0], -1, CHANNELS)
    wide[:, :RADIUS], wide[:, -RADIUS:] = wide[:, RADIUS, None], wide[:, -RADIUS - 1, None]
    wide[:RADIUS], wide[-RADIUS:] = wide[RADIUS], wide[-RADIUS - 1]


def pyramid(
    image: NDArray[np.uint8], hole: NDArray[np.bool_], banned: NDArray[np.bool_]
) -> list[Level]:
    """Measure a picture's features and halve it until the hole is small.

    Args:
        image: UINT8 [H, W, 3] RGB; what lies under the hole is not looked at.
        hole: [H, W].
        banned: [H, W], neither copied from nor compared with: where it is near the hole, it is
            filled with it, and that is for the caller to throw away.

    Returns:
        Fine to coarse, at least one level; where the first has sources, so have the others.
    """
    side = math.sqrt(np.count_nonzero(hole))
    known = ~hole & ~banned
    features = _measured(image, known)
    levels = [_level(features, hole, banned, known)]
    while (side > COARSEST_SIDE or len(levels) < 2) and min(hole.shape) >= LEAST_SIDE:
        features, whole = halved(features, known.view(np.uint8))
        known = whole.view(np.bool_)
        hole, banned = _any_of_four(hole), _any_of_four(banned)
        level = _level(features, hole, banned & ~hole, known)
        if not level.allowed.any():
            break
        levels.append(level)
        side /= 2
    coarsest = levels[-1]
    coarsest.features[..., VOTED:] = _guide(coarsest.features, coarsest.known, side)
    return levels


def _level(
    features: NDArray[np.int16],
    hole: NDArray[np.bool_],
    banned: NDArray[np.bool_],
    known: NDArray[np.bool_],
) -> Level:
    return Level(features, hole | (banned & raster.grow(hole, 2 * RADIUS)), known)


def _any_of_four(flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    height, width = flags.shape
    even = np.pad(flags, ((0, height % 2), (0, width % 2)))
    return np.asarray(even[::2, ::2] | even[1::2, ::2] | even[::2, 1::2] | even[1::2, 1::2])


def _measured(image: NDArray[np.uint8], seen: NDArray[np.bool_]) -> NDArray[np.int16]:
    """Measure colour and texture; the guide's channels stay 0."""
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.int16)
    out = np.zeros((*seen.shape, CHANNELS), np.int16)
    out[..., 0] = lab[..., 0]
    out[..., 1:3] = np.rint(CHROMA * (lab[..., 1:] - 128))
    luma = lab[..., 0].astype(np.float32)
    for channel, axis in ((3, 1), (4, 0)):
        here = (slice(None), slice(-1)) if axis else (slice(-1), slice(None))
        next_ = (slice(None), slice(1, None)) if axis else (slice(1, None), slice(None))
        both = np.zeros(seen.shape, np.float32)
        both[here] = seen[here] & seen[next_]
        slope = np.zeros(seen.shape, np.float32)
        slope[here] = np.abs(luma[next_] - luma[here]) * both[here]
        # Sums of whole numbers: exact, whatever their order.
        total, count = (
            cv2.boxFilter(a, -1, (SIDE, SIDE), normalize=False, borderType=cv2.BORDER_CONSTANT)
            for a in (slope, both)
        )
        out[..., channel] = np.rint(TEXTURE * total / np.maximum(count, 1))
    return out


def _guide(features: NDArray[np.int16], seen: NDArray[np.bool_], side: float) -> NDArray[np.int16]:
    """Span what is seen from afar, lightness, hue and texture, over the hole: INT16 [H, W, 3].

    Means over cells of a share of the hole's side; a soap film over those that are under it.
    """
    height, width = seen.shape
    cell = max(4, round(GUIDE_CELL * side))
    rows, columns = -(-height // cell), -(-width // cell)
    values = np.stack(
        [features[..., 0], features[..., 1], features[..., 3] + features[..., 4]], -1
    ).astype(np.int64)
    total, count = _sums(values, seen.view(np.uint8), cell, rows, columns)
    total, count = _blurred(total), _blurred(count[..., None])[..., 0]
    least = 8 * cell * cell
    film = _film(total, count, least)
    film *= np.array([GUIDE, GUIDE, GUIDE / 2]) * _trust(total, count, least)
    out: NDArray[np.int16] = _enlarged(film, cell, height, width)
    return out


@compiled
def _sums(values: Any, seen: Any, cell: int, rows: int, columns: int) -> Any:
    """Sum the seen values of each cell, and count them."""
    total = np.zeros((rows, columns, values.shape[2]), np.int64)
    count = np.zeros((rows, columns), np.int64)
    for y in range(seen.shape[0]):
        for x in range(seen.shape[1]):
            if seen[y, x]:
                count[y // cell, x // cell] += 1
                for k in range(values.shape[2]):
                    total[y // cell, x // cell, k] += values[y, x, k]
    return total, count


def _blurred(sums: Any) -> Any:
    """Add up each cell and its eight neighbours by 4, 2 and 1: 16 times a mean, less at the rim."""
    for axis in (0, 1):
        wide = np.pad(sums, [(1, 1) if a == axis else (0, 0) for a in range(sums.ndim)])
        size = sums.shape[axis]
        first, middle, last = (wide.take(range(i, i + size), axis) for i in range(3))
        sums = first + 2 * middle + last
    return sums


@compiled
def _film(total: Any, count: Any, least: int) -> Any:
    """Average the cells that hold enough, and relax the others between their neighbours."""
    rows, columns, channels = total.shape
    film = np.zeros((rows, columns, channels))
    mass = max(1, count.sum())
    for k in range(channels):
        mean = total[:, :, k].sum() / mass
        for y in range(rows):
            for x in range(columns):
                enough = count[y, x] > least
                film[y, x, k] = total[y, x, k] / count[y, x] if enough else mean
    for _ in range(RELAXATIONS):
        for y in range(rows):
            for x in range(columns):
                if count[y, x] > least:
                    continue
                up, down = max(0, y - 1), min(rows - 1, y + 1)
                left, right = max(0, x - 1), min(columns - 1, x + 1)
                for k in range(channels):
                    film[y, x, k] = 0.25 * (
                        film[up, x, k] + film[down, x, k] + film[y, left, k] + film[y, right, k]
                    )
    return film


TRUST_POWER = 1.0


def _trust(total: Any, count: Any, least: int) -> Any:
    """Tell how well each channel of a cell follows from its neighbours': 1 well, 0 not at all."""
    seen = count > least
    mean = np.where(seen[..., None], total / np.maximum(count, 1)[..., None], 0.0)
    out = np.zeros(total.shape[2])
    pad = np.pad(mean, ((1, 1), (1, 1), (0, 0)))
    ps = np.pad(seen, 1).astype(float)
    acc = np.zeros_like(mean); n = np.zeros(seen.shape)
    for dy, dx in ((0, 2), (2, 0), (0, -2), (-2, 0)):
        p2 = np.pad(mean, ((2, 2), (2, 2), (0, 0))); s2 = np.pad(seen, 2).astype(float)
        h, w = seen.shape
        acc += p2[2 + dy:2 + dy + h, 2 + dx:2 + dx + w] * s2[2 + dy:2 + dy + h, 2 + dx:2 + dx + w, None]
        n += s2[2 + dy:2 + dy + h, 2 + dx:2 + dx + w]
    ok = seen & (n >= 3)
    if ok.sum() < 6:
        return np.ones(3)
    off = (mean - acc / np.maximum(n, 1)[..., None])[ok]
    var = mean[ok].var(0)
    r = 1 - 0.8 * (off**2).mean(0) / np.maximum(var, 1e-9)
    if TRACE: print('trust', r.round(2))
    return np.clip(r, 0, 1) ** TRUST_POWER


TRACE = False


@compiled
def _enlarged(film: Any, cell: int, height: int, width: int) -> Any:
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
