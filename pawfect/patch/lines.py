"""Straight lines that enter a hole and leave it again, as a channel that patches are matched by.

Joints, boards and frames go on behind what was taken out. Segments that end at the hole's rim are
paired across it. Each such line is drawn, through the hole and where it is seen, so that what is
copied onto it comes from it; no other line is drawn, since most that cross a hole are not found,
and a source must not seem wrong for a line that is only missed.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.patch.features import Level
from pawfect.picture import raster
from pawfect.stop import Stop, look, never

MARK: Final = 30.0
"""Of a line's middle, as a feature. Quality set, structure: ST-LPIPS 0.069 without, 0.059 with 20,
0.055 with 40; tuning scenes: 0.068, 0.069, 0.070, within what the seed changes."""
SIDE_PX: Final = 216.0
"""px, the most: side of the hole on the level where lines are looked for, four times the side of
the one where they lead."""
LONG: Final = 0.12  # of the hole's side: a shorter segment's direction says little
LEAST_LONG: Final = 12.0  # px
NEAR: Final = 0.08  # of the hole's side: so near to the hole a line's end has to be
LEAST_NEAR: Final = 8.0  # px
TURN: Final = math.radians(3.0)  # between two segments of one line
OFF: Final = 0.02  # of the hole's side: by which an end may lie beside the other's line
LEAST_OFF: Final = 1.5  # px
ALIKE: Final = math.sin(math.radians(8.0))  # between a line and what is seen of it
SPREAD: Final = 0.03  # of the way: by which a line may be off further away
EDGE: Final = 3  # px around the hole, where what is seen may be the hole's own edge
_SUBPIXEL: Final = 4  # bits of a coordinate that is drawn

Array = NDArray[Any]


class _End(NamedTuple):
    """A segment's end at the hole: its place, the unit direction into the hole, whose it is."""

    place: Array
    ahead: Array
    owner: int


def lines(level: Level, stop: Stop = never) -> NDArray[np.float64]:
    """Find the lines that pass through a hole.

    Segments are found by LSD (Grompone von Gioi et al., PAMI 2010).

    Args:
        level: where they are looked for.
        stop: looked at before each piece of work.

    Returns:
        FLOAT64 [N, 4], x0, y0, x1, y1, px of the level: where lines cross the hole, and all that is
        seen of them.
    """
    off = max(LEAST_OFF, OFF * level.side)
    clear = level.known & ~raster.grow(~level.known, EDGE)
    seen = _segments(level, clear, max(LEAST_LONG, LONG * level.side), stop)
    ends = _ends(seen, level.hole, max(LEAST_NEAR, NEAR * level.side), stop)
    through = _paired(ends, off, stop)
    if not through.size:
        return through
    return np.concatenate([through, seen[_of_one_line(seen, through, off)]])


def drawn(found: NDArray[np.float64], height: int, width: int, factor: float) -> NDArray[np.int16]:
    """Draw lines on a level `factor` times as small, INT16 [height, width], 0 to MARK."""
    out = np.zeros((height, width), np.uint8)
    places = np.rint(((found + 0.5) / factor - 0.5) * 2**_SUBPIXEL).astype(np.int32)
    for x0, y0, x1, y1 in places.tolist():
        cv2.line(out, [x0, y0], [x1, y1], [255], 1, cv2.LINE_AA, _SUBPIXEL)
    # Twice the mean of a soft line's 5 x 5 px is about its middle's own.
    soft = np.minimum(2.0 * cv2.GaussianBlur(out, (5, 5), 1.0), 255.0)
    return np.asarray(np.rint(MARK / 255 * soft).astype(np.int16))


def _segments(level: Level, clear: NDArray[np.bool_], long: float, stop: Stop) -> Array:
    """Find segments, FLOAT64 [N, 4], of each the longest part that is clear, if it is long."""
    if not clear.any():
        return np.zeros((0, 4))
    lightness = level.features[..., 0].astype(np.uint8)
    lightness[~clear] = np.median(lightness[clear])
    found = cv2.createLineSegmentDetector().detect(lightness)[0]
    if found is None:
        return np.zeros((0, 4))
    parts = []
    for segment in found[:, 0].astype(np.float64):
        look(stop)
        parts.append(_clear_part(segment, clear))
    out = np.array(parts).reshape(-1, 4)
    return np.asarray(out[np.hypot(*(out[:, 2:] - out[:, :2]).T) >= long])


def _clear_part(segment: Array, clear: NDArray[np.bool_]) -> Array:
    """Cut a segment to its longest clear part; one without any becomes a point."""
    start, way = segment[:2], segment[2:] - segment[:2]
    share = np.linspace(0.0, 1.0, max(2, int(np.hypot(*way)) + 1))
    places = np.rint(start + share[:, None] * way).astype(int)
    xs, ys = np.clip(places, 0, [clear.shape[1] - 1, clear.shape[0] - 1]).T
    changes = np.flatnonzero(np.diff(np.pad(clear[ys, xs].astype(np.int8), 1)))
    if not changes.size:
        return np.concatenate([start, start])
    runs: Array = changes.reshape(-1, 2)
    first, last = runs[np.argmax(runs[:, 1] - runs[:, 0])] - [0, 1]
    return np.concatenate([start + share[first] * way, start + share[last] * way])


def _ends(segments: Array, hole: NDArray[np.bool_], near: float, stop: Stop) -> list[_End]:
    """Return the ends that lie at most so near to the hole, px, and point into it."""
    height, width = hole.shape
    distance = raster.distance_to(hole)
    out = []
    for number, segment in enumerate(segments):
        look(stop)
        for place, other in ((segment[:2], segment[2:]), (segment[2:], segment[:2])):
            ahead = (place - other) / np.hypot(*(place - other))
            x, y = np.rint(place).astype(int)
            ax, ay = np.rint(place + (near + EDGE) * ahead).astype(int)
            inside = 0 <= ax < width and 0 <= ay < height and hole[ay, ax]
            if inside and distance[min(max(y, 0), height - 1), min(max(x, 0), width - 1)] <= near:
                out.append(_End(place, ahead, number))
    return out


def _paired(ends: list[_End], off: float, stop: Stop) -> Array:
    """Pair ends that look at each other along one line, best first; FLOAT64 [N, 4]."""
    pairs = []
    for i, one in enumerate(ends):
        look(stop)
        for j, other in enumerate(ends[:i]):
            way = other.place - one.place
            long = float(np.hypot(*way))
            if one.ahead @ other.ahead > -math.cos(TURN) or way @ one.ahead < 0.9 * long:
                continue
            beside = max(abs(_cross(way, one.ahead)), abs(_cross(way, other.ahead)))
            if one.owner != other.owner and beside <= max(off, SPREAD * long):
                pairs.append((beside, i, j))
    used: set[int] = set()
    out = []
    for _, i, j in sorted(pairs):
        if not used & {i, j}:
            used |= {i, j}
            out.append(np.concatenate([ends[i].place, ends[j].place]))
    return np.array(out).reshape(-1, 4)


def _cross(one: Array, other: Array) -> Any:
    return one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]


def _of_one_line(segments: Array, through: Array, off: float) -> NDArray[np.bool_]:
    """Tell which segments lie on one of the lines that pass through."""
    way = through[:, 2:] - through[:, :2]
    unit = way / np.hypot(*way.T)[:, None]
    middle = through[:, :2] + 0.5 * way
    on = np.ones((len(segments), len(through)), np.bool_)
    for end in (segments[:, :2], segments[:, 2:]):
        gap = end[:, None] - middle
        far = np.hypot(gap[..., 0], gap[..., 1])
        on &= np.abs(_cross(gap, unit)) <= off + SPREAD * far
    own = segments[:, 2:] - segments[:, :2]
    own = own / np.hypot(*own.T)[:, None]
    on &= np.abs(_cross(own[:, None], unit)) <= ALIKE
    return np.asarray(on.any(axis=1))
