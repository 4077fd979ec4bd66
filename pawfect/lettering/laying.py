"""Faces laid over old letters: over the whole word, or letter by letter."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.lettering.drawing import draw
from pawfect.lettering.faces import EM, Cut
from pawfect.lettering.groups import Groups
from pawfect.lettering.ink import Ink
from pawfect.lettering.match import Match, cost, overlap

_TRACKING: Final = (-0.08, 0.8)  # of the em: what is tighter or wider is another face
_SLANTS: Final = (0.0, 0.2)  # shear: upright, and the slant of most italics (some 11 degrees)
_SLANT_COST: Final = (0.15, 0.03)
"""Per unit of slant, and at most: upright letters are likelier than slanted ones that cover as
well."""
_STEEPEST: Final = 0.15  # of its length: a frame follows its line, so a baseline hardly climbs
_NARROW: Final = 0.15  # of the em: widths of narrower letters, such as an i, say little
_WIDTHS: Final = (0.5, 2.0)  # letters beside the face's: beyond it is another face


def leaning(slant: float) -> float:
    """Return what a slant costs."""
    return min(_SLANT_COST[0] * abs(slant), _SLANT_COST[1])


def over_word(ink: Ink, soft: NDArray[np.float32], old: str, cut: Cut) -> list[Match]:
    """Lay a cut over the old letters' box: as wide as they are by stretching, and by spacing."""
    drawn = draw(old, cut)
    x0, y0, x1, y1 = drawn.box
    if x1 - x0 < 4 or y1 - y0 < 4:
        return []
    found = []
    high, gaps = ink.box.height / (y1 - y0), len(old) - 1
    for slant in _SLANTS:
        lean = slant * (y1 - y0)
        wide = (ink.box.width - lean * high) / (x1 - x0)
        if wide <= 0:
            continue
        found.append(_over_box(ink, soft, old, Match(cut), wide, high, slant))
        tracking = (ink.box.width / high - lean - (x1 - x0)) / gaps if gaps else 0.0
        if _TRACKING[0] * EM < tracking < _TRACKING[1] * EM and abs(tracking) > 0.02 * EM:
            spaced = Match(cut, tracking=round(tracking * 2) / 2)
            found.append(_over_box(ink, soft, old, spaced, high, high, slant))
    return found


def _over_box(
    ink: Ink, soft: NDArray[np.float32], old: str, match: Match, wide: float, high: float,
    slant: float,
) -> Match:  # fmt: skip
    """Lay a drawn text so that its box covers the ink's, and say how like the whole word is."""
    drawn = draw(old, match.cut, match.tracking, match.offset)
    x0, _, _, y1 = drawn.box
    left, base, shear = x0 - drawn.origin[0], y1 - drawn.origin[1], -slant * high
    # The lower left corner of the box goes to that of the ink; its top leans to the right.
    shift_x = ink.box.x0 - wide * left - shear * base
    shift_y = ink.box.y1 - high * base
    matrix = np.array([(wide, shear, shift_x), (0, high, shift_y), (0, 0, 1)], np.float64)
    like = overlap(ink, soft, drawn, matrix) - cost(matrix) - leaning(slant)
    return replace(match, matrix=matrix, likeness=like)


@dataclass(frozen=True, eq=False)
class _Boxes:
    """Letters of a face beside those that were seen; rows are letters, blanks left out.

    Attributes:
        ems: FP64 [n, 4], x0, y0, x1, y1 of a drawn letter's ink from its start, px of the em.
        seen: FP64 [n, 4], of the old letter's, px of the frame.
        begins: FP64 [n], where the face begins each, px of the em.
        order: INT64 [n], place in the text, blanks counted.
    """

    ems: NDArray[np.float64]
    seen: NDArray[np.float64]
    begins: NDArray[np.float64]
    order: NDArray[np.int64]


def over_letters(
    ink: Ink, soft: NDArray[np.float32], old: str, cut: Cut, groups: Groups
) -> list[Match]:
    """Lay a cut over the old letters one by one: as high, as wide and as far apart as they are.

    Args:
        ink: the old letters.
        soft: their softened coverage.
        old: what they say.
        cut: the face.
        groups: the ink of each.
    """
    boxes = _boxes(old, cut, groups)
    high, base, turn = _level(boxes)
    if high < 0.05 or abs(turn) > _STEEPEST:
        return []
    found = []
    for slant in _SLANTS:
        wide = _width(boxes, slant, high)
        if not _WIDTHS[0] * high < wide < _WIDTHS[1] * high:
            continue
        tracking, shift = _spacing(boxes, slant * high, wide)
        matrix = np.array([(wide, -slant * high, shift), (turn * wide, high, base), (0, 0, 1)])
        drawn = draw(old, cut, tracking)
        like = overlap(ink, soft, drawn, matrix) - cost(matrix) - leaning(slant)
        found.append(Match(cut, tracking, 0.0, matrix, like))
    return found


def _boxes(old: str, cut: Cut, groups: Groups) -> _Boxes:
    order = np.flatnonzero([letter != " " for letter in old])
    drawn = [draw(old[at], cut) for at in order]
    ems = [np.array(one.box, np.float64) - np.tile(one.origin, 2) for one in drawn]
    seen = np.array([box.edges for box in groups.boxes], np.float64)
    return _Boxes(np.array(ems), seen, draw(old, cut).starts[order], order)


def _level(boxes: _Boxes) -> tuple[float, float, float]:
    """Fit tops and bottoms: px of the frame per px of the em, the baseline, and its climb."""
    rows = np.concatenate([boxes.ems[:, 1], boxes.ems[:, 3]])
    middles = np.tile((boxes.seen[:, 0] + boxes.seen[:, 2]) / 2, 2)
    basis = np.stack([rows, np.ones_like(rows), middles - middles.mean()], 1)
    edges = np.concatenate([boxes.seen[:, 1], boxes.seen[:, 3]])
    (high, base, turn), *_ = np.linalg.lstsq(basis, edges, rcond=1e-6)
    return float(high), float(base - turn * middles.mean()), float(turn)


def _width(boxes: _Boxes, slant: float, high: float) -> float:
    """Return px of the frame per px of the em along the baseline, by the letters' own widths."""
    own = boxes.ems[:, 2] - boxes.ems[:, 0]
    lean = slant * high * (boxes.ems[:, 3] - boxes.ems[:, 1])
    wide = own > _NARROW * EM
    if not wide.any():
        return high
    return float(np.median(((boxes.seen[:, 2] - boxes.seen[:, 0] - lean) / own)[wide]))


def _spacing(boxes: _Boxes, lean: float, wide: float) -> tuple[float, float]:
    """Return the tracking, px of the em, and where the text begins, px of the frame."""
    own = boxes.begins + (boxes.ems[:, 0] + boxes.ems[:, 2]) / 2
    up = lean * (boxes.ems[:, 1] + boxes.ems[:, 3]) / 2
    lacking = ((boxes.seen[:, 0] + boxes.seen[:, 2]) / 2 + up) / wide - own
    if len(own) < 2:
        return 0.0, float(lacking[0]) * wide
    steps = np.stack([boxes.order, np.ones_like(boxes.order)], 1).astype(np.float64)
    (tracking, _), *_ = np.linalg.lstsq(steps, lacking, rcond=None)
    tracking = round(float(np.clip(tracking, _TRACKING[0] * EM, _TRACKING[1] * EM)) * 2) / 2
    return tracking, float(np.median(lacking - tracking * boxes.order)) * wide
