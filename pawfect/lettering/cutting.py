"""Letters cut out of the old text, to be set again where the new one has the same letter."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.lettering.drawing import draw, starts
from pawfect.lettering.frame import mapped
from pawfect.lettering.groups import Groups, letter_groups
from pawfect.lettering.ink import Ink
from pawfect.lettering.letters import agreement, covering, softened
from pawfect.lettering.match import Match

_CLEAN: Final = 0.92  # of a letter's ink lies where it is expected, or it is joined to others
_ALIKE: Final = 0.55  # correlation: below it, what lies there is no such letter, or a damaged one
_WHOLE: Final = (0.6, 1.6)  # ink beside the drawn letter's: outside, a part lacks or is too much
_SCALED: Final = (0.75, 1.4)  # beyond it, something else was measured
_SQUEEZED: Final = 0.08  # of the room: letters moved closer by more stand too tight
_BESIDE: Final = 0.05  # of the line's height: how far ink may reach beyond where it is expected


@dataclass(frozen=True, eq=False)
class CutLetter:
    """A letter of the old text.

    Attributes:
        letter: which.
        at: its place in the old text.
        mask: BOOL [h, w] of the frame: its ink with its rims.
        left: where its ink begins, px of the em from the old text's origin.
        right: where it ends.
        top: of its ink, px of the em below the baseline, so negative.
        bottom: of its ink, likewise.
        likeness: of the closest face's letter, -1 to 1.
    """

    letter: str
    at: int
    mask: NDArray[np.bool_]
    left: float
    right: float
    top: float
    bottom: float
    likeness: float


def cut_letters(ink: Ink, old: str, new: str, match: Match) -> tuple[CutLetter, ...]:
    """Cut out the letters that stand alone, each in one piece or with its own dots.

    Args:
        ink: the old letters.
        old: what they say.
        new: what is to be written.
        match: how the closest face covers them.
    """
    groups = letter_groups(ink, old)
    if groups is not None:
        return _cut_groups(groups, old, match)
    drawn = draw(old, match.cut, match.tracking, match.offset)
    found = agreement(ink, softened(ink.alpha), drawn, match.matrix, old, new)
    _, pieces = cv2.connectedComponents((ink.alpha > 0.35).astype(np.uint8))
    labels = np.asarray(pieces, np.int32)
    expected = [
        _expected(ink, old[at], match, float(drawn.starts[at]), (dx, dy))
        for at, dx, dy in zip(found.at, found.dx, found.dy, strict=True)
    ]
    owners = _owners(labels, expected)
    cut = []
    for row, at in enumerate(found.at):
        mine = [label for label, owner in owners.items() if owner == row]
        own = np.isin(labels, mine) if mine else np.zeros(labels.shape, np.bool_)
        if _stands_alone(own, expected[row], ink) and found.likenesses[row] >= _ALIKE:
            extent, like = _extent(own, match), float(found.likenesses[row])
            cut.append(CutLetter(old[at], at, _with_rim(own, labels), *extent, like))
    return tuple(cut)


def _cut_groups(groups: Groups, old: str, match: Match) -> tuple[CutLetter, ...]:
    """Cut out letters that stand apart: each is known by its place."""
    cut = []
    for place, at in enumerate(index for index, letter in enumerate(old) if letter != " "):
        own = groups.labels == place + 1
        extent = _extent(own, match)
        cut.append(CutLetter(old[at], at, groups.rims == place + 1, *extent, 1.0))
    return tuple(cut)


def _with_rim(own: NDArray[np.bool_], labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    near = cv2.dilate(own.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    return np.asarray(near & ((labels == 0) | own))


def _expected(
    ink: Ink, letter: str, match: Match, start: float, off: tuple[float, float]
) -> NDArray[np.float32]:
    """Return where a letter of the closest face lies, FP32 [h, w], 0 to 1."""
    shift = np.array([(1, 0, start), (0, 1, 0), (0, 0, 1)], np.float64)
    move = np.array([(1, 0, off[0]), (0, 1, off[1]), (0, 0, 1)], np.float64)
    alone = draw(letter, match.cut, 0.0, match.offset)
    return covering(alone, move @ match.matrix @ shift, ink.alpha.shape)


def _owners(labels: NDArray[np.int32], expected: list[NDArray[np.float32]]) -> dict[int, int]:
    """Return which letter each piece of ink belongs to: the one that covers most of it."""
    count = int(labels.max()) + 1
    shares = np.stack(
        [np.bincount(labels.ravel(), one.ravel(), minlength=count) for one in expected]
    )
    near = np.stack(
        [
            np.bincount(
                labels.ravel(),
                cv2.GaussianBlur(one, (0, 0), 8).ravel(),
                minlength=count,
            )
            for one in expected
        ]
    )
    best = (shares + 0.1 * near).argmax(0)
    return {label: int(best[label]) for label in range(1, count)}


def _stands_alone(own: NDArray[np.bool_], expected: NDArray[np.float32], ink: Ink) -> bool:
    if not own.any():
        return False
    area, wanted = float(own.sum()), float(expected.sum())
    if not _WHOLE[0] < area / max(wanted, 1.0) < _WHOLE[1]:
        return False
    columns = np.flatnonzero((expected > 0.3).any(0))
    if not columns.size:
        return False
    beside = round(_BESIDE * ink.box.height) + 3
    low, high = max(columns[0] - beside, 0), columns[-1] + 1 + beside
    return bool(own[:, low:high].sum() >= _CLEAN * area)


def _extent(own: NDArray[np.bool_], match: Match) -> tuple[float, float, float, float]:
    """Return where ink begins and ends along the baseline and across it, px of the em."""
    ys, xs = np.nonzero(own)
    at = mapped(np.stack([xs, ys], 1).astype(np.float64), np.linalg.inv(match.matrix))
    (left, top), (right, bottom) = at.min(0), at.max(0)
    return float(left), float(right), float(top), float(bottom)


@dataclass(frozen=True, eq=False)
class Placed:
    """A letter of the new text where it is to stand.

    Attributes:
        letter: which.
        cut: where it is set again; None where it is drawn.
        shift: px of the em along the baseline: of a drawn letter from the origin to its start, of
            a cut one from where it stood.
        left: where its ink begins, px of the em.
        right: where it ends.
        scale: of a drawn letter, to be as high as the cut ones of its kind.
    """

    letter: str
    cut: CutLetter | None
    shift: float
    left: float
    right: float
    scale: float = 1.0


def arranged(old: str, new: str, match: Match, cut: tuple[CutLetter, ...]) -> tuple[Placed, ...]:
    """Place each letter of a new text beside the one before it.

    Two letters that stood side by side in the old text are as far apart as there; others as the
    closest face has them, and as much wider or closer as the old text's letters were on average.
    """
    by_letter: dict[str, CutLetter] = {}
    for one in cut:
        if one.letter not in by_letter or one.likeness > by_letter[one.letter].likeness:
            by_letter[one.letter] = one
    actual = _actual_gaps(old, cut)
    own = [gap - _face_gap(old, pair, match) for pair, gap in actual.items()]
    more = float(np.median(own)) if own else 0.0
    by_text = {old[a : b + 1]: gap for (a, b), gap in actual.items()}
    inked = [index for index, letter in enumerate(new) if letter != " "]
    out: list[Placed] = []
    edge = 0.0
    for before, index in zip([None, *inked], inked, strict=False):
        if before is not None:
            gap = by_text.get(new[before : index + 1])
            edge += _face_gap(new, (before, index), match) + more if gap is None else gap
        chosen, scale = by_letter.get(new[index]), 1.0
        if chosen is None:
            scale = _scale(new[index], cut, match)
            begin, end = (scale * edge_px for edge_px in _side(new[index], match))
        else:
            begin, end = chosen.left, chosen.right
        out.append(Placed(new[index], chosen, edge - begin, edge, edge + end - begin, scale))
        edge += end - begin
    return tuple(out)


def _scale(letter: str, cut: tuple[CutLetter, ...], match: Match) -> float:
    """Return how much larger a drawn letter is to be so that it is as high as its kind was."""
    kind = [one for one in cut if _kind(one.letter) == _kind(letter)]
    ratios = []
    for one in kind:
        drawn = draw(one.letter, match.cut, 0.0, match.offset)
        ratios.append((one.bottom - one.top) / max(drawn.box[3] - drawn.box[1], 1))
    return float(np.clip(np.median(ratios), *_SCALED)) if ratios else 1.0


def _kind(letter: str) -> str:
    """Return which letters are equally high: digits, capitals, small ones, other signs."""
    if letter.isdigit():
        return "digit"
    if letter.isalpha():
        return "capital" if letter.isupper() else "small"
    return letter


def squeezed(letters: tuple[Placed, ...], room: float) -> tuple[Placed, ...]:
    """Move letters closer together so that they fit a width, px of the em; none where too much."""
    over = letters[-1].right - letters[0].left - room
    if over <= 0:
        return letters
    if len(letters) < 2 or over > _SQUEEZED * room:
        return ()
    by = over / (len(letters) - 1)
    return tuple(
        replace(one, shift=one.shift - at * by, left=one.left - at * by, right=one.right - at * by)
        for at, one in enumerate(letters)
    )


def _actual_gaps(old: str, cut: tuple[CutLetter, ...]) -> dict[tuple[int, int], float]:
    """Return the gaps between cut letters with nothing but blanks between them, by their places."""
    pairs = pairwise(cut)
    return {
        (one.at, other.at): other.left - one.right
        for one, other in pairs
        if not old[one.at + 1 : other.at].strip()
    }


def _face_gap(text: str, pair: tuple[int, int], match: Match) -> float:
    """Return how far apart a face sets two letters' ink, px of the em."""
    begins = starts(text, match.cut, match.tracking)
    (_, end), (begin, _) = _side(text[pair[0]], match), _side(text[pair[1]], match)
    return begins[pair[1]] + begin - begins[pair[0]] - end


def _side(letter: str, match: Match) -> tuple[float, float]:
    """Return where a drawn letter's ink begins and ends, px of the em from its start."""
    drawn = draw(letter, match.cut, 0.0, match.offset)
    return drawn.box[0] - drawn.origin[0], drawn.box[2] - drawn.origin[0]
