"""Which bundled face the old letters look most like, and how it has to lie to cover them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.lettering.drawing import draw
from pawfect.lettering.faces import Cut, Face
from pawfect.lettering.groups import letter_groups
from pawfect.lettering.ink import Ink
from pawfect.lettering.laying import leaning, over_letters, over_word
from pawfect.lettering.letters import Agreement, agreement, covering, softened
from pawfect.lettering.match import Match, aligned, cost, turned_slightly
from pawfect.stop import Stop, look, never

_BY_WORD, _BY_LETTER = 12, 5
"""How many faces are compared letter by letter, and how many of these are fitted closely."""
_FARTHEST_OFFSET: Final = 5.0  # px of the em: beyond 4 % of it counters close and thin parts tear
_WIDTH_STEPS: Final = (0.06, 0.03)
_AREA: Final = 0.02  # letters whose ink covers as much to that share are equally heavy


def closest(
    ink: Ink, old: str, new: str, faces: Iterable[Face], stop: Stop = never
) -> Match | None:
    """Return the face that covers the old letters best.

    First every face is laid over the whole word; those that cover it best are compared letter by
    letter, each allowed to move a little, since spacing is no trait of a letter's shape; the best
    of these are fitted in weight, width and spacing.

    Args:
        ink: the old letters.
        old: what they say.
        new: what is to be written: letters that stand in both count most.
        faces: those that can write the new text.
        stop: asked before each face is laid, compared and fitted.

    Returns:
        None where there is no face, or no letter to compare.

    Raises:
        PawfectError: CANCELLED where `stop` says so.
    """
    soft, groups = softened(ink.alpha), letter_groups(ink, old)
    by_face = []
    for face in faces:
        look(stop)
        cuts = _as_dark(ink, old, face)
        whole = [match for cut in cuts for match in over_word(ink, soft, old, cut)]
        laid = sorted(whole, key=_by_likeness)[-2:]
        if groups is not None:
            single = [match for cut in cuts for match in over_letters(ink, soft, old, cut, groups)]
            laid += sorted(single, key=_by_likeness)[-1:]
        if laid:
            by_face.append(sorted(laid, key=_by_likeness))
    by_face.sort(key=lambda pair: -pair[-1].likeness)
    rated = []
    for pair in by_face[:_BY_WORD]:
        look(stop)
        rated += [_rated(ink, soft, old, new, match) for match in pair]
    rated.sort(key=lambda match: -match.likeness)
    chosen: dict[tuple[str, int], Match] = {}
    for match in rated:
        chosen.setdefault((match.cut.face.name, match.cut.width), match)
    fitted = []
    for match in list(chosen.values())[:_BY_LETTER]:
        look(stop)
        fitted.append(_fitted(ink, soft, old, new, match))
    best = max(fitted, key=_by_likeness, default=None)
    return None if best is None else _settled(ink, soft, old, new, best)


def _as_dark(ink: Ink, old: str, face: Face) -> list[Cut]:
    """Return of each width the cut whose ink fills its box most as the old ink does."""
    wanted = float(ink.alpha.sum()) / ink.box.area
    best: dict[int, tuple[float, Cut]] = {}
    for cut in face.cuts():
        drawn = draw(old, cut)
        x0, y0, x1, y1 = drawn.box
        apart = abs(float(drawn.coverage.sum()) / max((x1 - x0) * (y1 - y0), 1) - wanted)
        if cut.width not in best or apart < best[cut.width][0]:
            best[cut.width] = apart, cut
    return [cut for _, cut in best.values()]


def _by_likeness(match: Match) -> float:
    return match.likeness


def _agreement(ink: Ink, soft: NDArray[np.float32], old: str, new: str, match: Match) -> Agreement:
    drawn = draw(old, match.cut, match.tracking, match.offset)
    return agreement(ink, soft, drawn, match.matrix, old, new)


def _rated(ink: Ink, soft: NDArray[np.float32], old: str, new: str, match: Match) -> Match:
    """Say how like the letters are, one by one."""
    like = _agreement(ink, soft, old, new, match).likeness - cost(match.matrix)
    return replace(match, likeness=like - leaning(match.slant))


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


def _settled(ink: Ink, soft: NDArray[np.float32], old: str, new: str, match: Match) -> Match:
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
