"""Which bundled face the old letters look most like, and how it has to lie to cover them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.lettering.drawing import draw
from pawfect.lettering.faces import EM, Cut, Face
from pawfect.lettering.groups import Groups, letter_groups
from pawfect.lettering.letters import Agreement, agreement, covering, softened
from pawfect.lettering.match import Match, aligned, cost, overlap, turned_slightly
from pawfect.lettering.ink import Ink

_TRACKING: Final = (-0.08, 0.8)  # of the em: what is tighter or wider is another face
_SLANTS: Final = (0.0, 0.2)  # shear: upright, and the slant of most italics (some 11 degrees)
_SLANT_COST: Final = (0.15, 0.03)
"""Per unit of slant, and at most: upright letters are likelier than slanted ones that cover as well.
"""
_BY_WORD, _BY_LETTER = 12, 5
"""How many faces are compared letter by letter, and how many of these are fitted closely."""
_FARTHEST_OFFSET: Final = 5.0  # px of the em: beyond 4 % of it counters close and thin parts tear
_WIDTH_STEPS: Final = (0.06, 0.03)
_AREA: Final = 0.02  # letters whose ink covers as much to that share are equally heavy


def closest(ink: Ink, old: str, new: str, faces: Iterable[Face]) -> Match | None:
    """Return the face that covers the old letters best.

    First every face is laid over the whole word; those that cover it best are compared letter by
    letter, each allowed to move a little, since spacing is no trait of a letter's shape; the best
    of these are fitted in weight, width and spacing.

    Args:
        ink: the old letters.
        old: what they say.
        new: what is to be written: letters that stand in both count most.
        faces: those that can write the new text.

    Returns:
        None where there is no face, or no letter to compare.
    """
    soft, groups = softened(ink.alpha), letter_groups(ink, old)
    by_face = []
    for face in faces:
        laid = [match for cut in face.cuts() for match in _laid(ink, soft, old, cut)]
        best = sorted(laid, key=_by_likeness)[-2:]
        if groups is not None:
            over = [one for cut in face.cuts() for one in _over_letters(ink, soft, old, cut, groups)]
            best = sorted([*best, *sorted(over, key=_by_likeness)[-1:]], key=_by_likeness)
        if best:
            by_face.append(best)
    by_face.sort(key=lambda pair: -pair[-1].likeness)
    rated = [
        _rated(ink, soft, old, new, match) for pair in by_face[:_BY_WORD] for match in pair
    ]
    rated.sort(key=lambda match: -match.likeness)
    chosen: dict[tuple[str, int], Match] = {}
    for match in rated:
        chosen.setdefault((match.cut.face.name, match.cut.width), match)
    finalists = list(chosen.values())[:_BY_LETTER]
    fitted = [_fitted(ink, soft, old, new, match) for match in finalists]
    best = max(fitted, key=_by_likeness, default=None)
    return None if best is None else _settled(ink, soft, old, new, best)


def _leaning(slant: float) -> float:
    return min(_SLANT_COST[0] * abs(slant), _SLANT_COST[1])


def _by_likeness(match: Match) -> float:
    return match.likeness


def _laid(ink: Ink, soft: NDArray[np.float32], old: str, cut: Cut) -> list[Match]:
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


def _over_letters(
    ink: Ink, soft: NDArray[np.float32], old: str, cut: Cut, groups: Groups
) -> list[Match]:
    """Lay a cut over the old letters one by one: as high, as wide and as far apart as they are."""
    boxes = [draw(letter, cut) for letter in old if letter != " "]
    ems = np.array([np.array(one.box) - np.tile(one.origin, 2) for one in boxes], np.float64)
    seen = np.array([one.edges for one in groups.boxes], np.float64)
    begins = np.array(draw(old, cut).starts)[:-1][[letter != " " for letter in old]]
    # Height and baseline from tops and bottoms of all letters, the baseline's turn with them.
    rows = np.concatenate([ems[:, 1], ems[:, 3]])
    middles = np.tile((seen[:, 0] + seen[:, 2]) / 2, 2)
    basis = np.stack([rows, np.ones_like(rows), middles - middles.mean()], 1)
    (high, base, turn), *_ = np.linalg.lstsq(
        basis, np.concatenate([seen[:, 1], seen[:, 3]]), rcond=1e-6
    )
    if high < 0.05 or abs(turn) > 0.15:
        return []
    found = []
    for slant in _SLANTS:
        lean = slant * high * (ems[:, 3] - ems[:, 1])
        widths = (seen[:, 2] - seen[:, 0] - lean) / np.maximum(ems[:, 2] - ems[:, 0], 1)
        wide = float(np.median(widths[ems[:, 2] - ems[:, 0] > 0.15 * EM])) if (
            (ems[:, 2] - ems[:, 0]) > 0.15 * EM
        ).any() else float(high)
        if not 0.5 * high < wide < 2 * high:
            continue
        own = begins + (ems[:, 0] + ems[:, 2]) / 2
        up = slant * high * (ems[:, 1] + ems[:, 3]) / 2
        at = ((seen[:, 0] + seen[:, 2]) / 2 + up) / wide
        tracking = 0.0
        if len(own) > 1 and len(old) > 1:
            order = np.flatnonzero([letter != " " for letter in old])
            steps = np.stack([order, np.ones_like(order)], 1).astype(np.float64)
            (tracking, _), *_ = np.linalg.lstsq(steps, at - own, rcond=None)
            tracking = round(float(np.clip(tracking, _TRACKING[0] * EM, _TRACKING[1] * EM)) * 2) / 2
            shift = float(np.median(at - own - tracking * order)) * wide
        else:
            shift = float((at - own)[0]) * wide
        level = base - turn * middles.mean()
        matrix = np.array([(wide, -slant * high, shift), (turn * wide, high, level), (0, 0, 1)])
        drawn = draw(old, cut, tracking)
        like = overlap(ink, soft, drawn, matrix) - cost(matrix) - _leaning(slant)
        found.append(Match(cut, tracking, 0.0, matrix, like))
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
    like = overlap(ink, soft, drawn, matrix) - cost(matrix) - _leaning(slant)
    return replace(match, matrix=matrix, likeness=like)


def _agreement(
    ink: Ink, soft: NDArray[np.float32], old: str, new: str, match: Match
) -> Agreement:
    drawn = draw(old, match.cut, match.tracking, match.offset)
    return agreement(ink, soft, drawn, match.matrix, old, new)


def _rated(ink: Ink, soft: NDArray[np.float32], old: str, new: str, match: Match) -> Match:
    """Say how like the letters are, one by one."""
    like = _agreement(ink, soft, old, new, match).likeness - cost(match.matrix)
    return replace(match, likeness=like - _leaning(match.slant))


def _fitted(ink: Ink, soft: NDArray[np.float32], old: str, new: str, match: Match) -> Match:
    """Make a match as heavy as the old letters are, and try it wider and narrower."""
    best = _settled(ink, soft, old, new, match)
    best = _settled(ink, soft, old, new, _as_heavy(ink, old, best))
    for share in _WIDTH_STEPS:
        for factor in (1 + share, 1 - share):
            other = _as_wide(best, best.stretched(factor), old)
            best = max(best, _rated(ink, soft, old, new, other), key=_by_likeness)
    return _rated(ink, soft, old, new, _as_heavy(ink, old, best))


def _as_heavy(ink: Ink, old: str, match: Match) -> Match:
    """Choose the weight, then move the edges, so that as much is covered as the old letters cover.

    A correlation hardly sees weight; what is covered in all is seen well, and whatever is soft.
    """
    wanted = float(ink.alpha.sum())
    if match.cut.face.varies:
        low, high = match.cut.face.weights
        while high - low > 12:
            middle = _as_wide(match, replace(match, cut=match.cut.weighing((low + high) // 2)), old)
            if _covered(old, middle) < wanted:
                low = middle.cut.weight
            else:
                high = middle.cut.weight
        match = _as_wide(match, replace(match, cut=match.cut.weighing((low + high) // 2)), old)
    thin, thick = -_FARTHEST_OFFSET, _FARTHEST_OFFSET
    if abs(_covered(old, match) / wanted - 1) < _AREA:
        return match
    for _ in range(5):
        middle = replace(match, offset=round((thin + thick) * 2) / 4)
        if _covered(old, middle) < wanted:
            thin = middle.offset
        else:
            thick = middle.offset
    return replace(match, offset=round((thin + thick) * 2) / 4)


def _covered(old: str, match: Match) -> float:
    """Return how many px of the frame a match covers in all."""
    drawn = draw(old, match.cut, match.tracking, match.offset)
    return float(drawn.coverage.sum() * abs(np.linalg.det(match.matrix[:2, :2])))


def _as_wide(before: Match, now: Match, old: str) -> Match:
    """Space a match so that its text ends where it did before; one letter is stretched instead."""
    x0, _, x1, _ = draw(old, before.cut, before.tracking, before.offset).box
    n0, _, n1, _ = draw(old, now.cut, now.tracking, now.offset).box
    wide, per_px = (x1 - x0) * before.matrix[0, 0], now.matrix[0, 0]
    lacking = wide / per_px - (n1 - n0)
    if len(old) < 2:
        return now
    return replace(now, tracking=round((now.tracking + lacking / (len(old) - 1)) * 2) / 2)


def _settled(
    ink: Ink, soft: NDArray[np.float32], old: str, new: str, match: Match
) -> Match:
    """Move and space a match by where its letters were found, then align the whole word."""
    best = _rated(ink, soft, old, new, match)
    for _ in range(2):
        found = _agreement(ink, soft, old, new, best)
        spread, move = turned_slightly(found)
        tracking = best.tracking + spread * (best.advance(old) if len(old) > 1 else 0)
        moved = replace(best, matrix=move @ best.matrix, tracking=round(tracking * 2) / 2)
        moved = _rated(ink, soft, old, new, moved)
        if moved.likeness <= best.likeness:
            break
        best = moved
    drawn = draw(old, best.cut, best.tracking, best.offset)
    matrix = aligned(soft, covering(drawn, best.matrix, soft.shape), best.matrix)
    if matrix is None:
        return best
    return max(best, _rated(ink, soft, old, new, replace(best, matrix=matrix)), key=_by_likeness)
