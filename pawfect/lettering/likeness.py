"""Which bundled face the old letters look most like, and how it has to lie to cover them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.lettering.drawing import Drawn, draw
from pawfect.lettering.faces import EM, Cut, Face
from pawfect.lettering.frame import LINE_PX
from pawfect.lettering.ink import Ink

_SOFT: Final = 0.025  # of the line's height: a blur that forgives letters a little out of place
_STRETCH_COST: Final = 0.5  # per factor e of letters made wider or narrower than the face has them
_FREE_STRETCH: Final = 0.05  # of that: also a photo's perspective does it
_TRACKING: Final = (-0.08, 0.8)  # of the em: what is tighter or wider is another face
_FINALISTS: Final = 5
_SLANTS: Final = (0.0, 0.2)  # shear: upright, and the slant of most italics (some 11 degrees)
_STEEPEST: Final = 0.5
_STAYING: Final = 3.0  # weight of letters that old and new text share, beside the others' 1


@dataclass(frozen=True, eq=False)
class Match:
    """A face as it covers the old letters.

    Attributes:
        cut: the face.
        tracking: px of the em between letters beyond the face's own spacing.
        offset: px of the em by which edges are moved.
        matrix: FP64 [3, 3] from px of the drawn text, its origin at the baseline's start, to px of
            the frame.
        likeness: -1 to 1, 1 where it covers exactly what the old letters cover.
    """

    cut: Cut
    tracking: float
    offset: float
    matrix: NDArray[np.float64]
    likeness: float

    @property
    def stretch(self) -> float:
        """Width of its letters, 1 where they are as wide as the face has them."""
        linear = self.matrix[:2, :2]
        high = abs(np.linalg.det(linear)) / max(np.linalg.norm(linear[:, 0]), 1e-9)
        return float(np.linalg.norm(linear[:, 0]) / max(high, 1e-9))


def closest(ink: Ink, old: str, new: str, faces: Iterable[Face]) -> Match | None:
    """Return the face that covers the old letters best.

    Args:
        ink: the old letters.
        old: what they say.
        new: what is to be written: letters that stand in both count most.
        faces: those that can write the new text.

    Returns:
        None where there is no face, or no letter to compare.
    """
    soft = _softened(ink.alpha)
    tried = [
        match
        for face in faces
        for cut in face.cuts()
        for match in _laid(ink, soft, old, cut)
    ]
    tried.sort(key=lambda match: -match.likeness)
    finalists: list[Match] = []
    for match in tried:
        if sum(one.cut.face == match.cut.face for one in finalists) < 1:
            finalists.append(match)
        if len(finalists) == _FINALISTS:
            break
    refined = [_refined(ink, soft, old, new, match) for match in finalists]
    return max(refined, key=lambda match: match.likeness, default=None)


def _softened(alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(alpha, (0, 0), _SOFT * LINE_PX), np.float32)


def _laid(ink: Ink, soft: NDArray[np.float32], old: str, cut: Cut) -> list[Match]:
    """Lay a cut over the old letters' box: as wide as they are by stretching, and by spacing."""
    drawn = draw(old, cut)
    x0, y0, x1, y1 = drawn.box
    if x1 - x0 < 4 or y1 - y0 < 4:
        return []
    found = []
    high = ink.box.height / (y1 - y0)
    for slant in _SLANTS:
        lean = slant * (y1 - y0)
        wide = (ink.box.width - lean * high) / (x1 - x0)
        if wide <= 0:
            continue
        matches = [_compared(ink, soft, drawn, Match(cut, 0.0, 0.0, np.eye(3), 0.0), wide, high, slant)]
        gaps = len(old) - 1
        tracking = ((ink.box.width / high - lean) - (x1 - x0)) / gaps if gaps else 0.0
        if gaps and _TRACKING[0] * EM < tracking < _TRACKING[1] * EM and abs(tracking) > 0.02 * EM:
            tracking = round(tracking * 2) / 2
            spaced = Match(cut, tracking, 0.0, np.eye(3), 0.0)
            matches.append(
                _compared(ink, soft, draw(old, cut, tracking), spaced, high, high, slant)
            )
        found.append(max(matches, key=lambda match: match.likeness))
    return found


def _compared(
    ink: Ink, soft: NDArray[np.float32], drawn: Drawn, match: Match, wide: float, high: float,
    slant: float,
) -> Match:  # fmt: skip
    """Lay a drawn text so that its box covers the ink's, and say how like it is."""
    x0, y0, _, y1 = drawn.box
    left, base = x0 - drawn.origin[0], y1 - drawn.origin[1]
    shear = -slant * wide
    # The lower left corner of the box goes to that of the ink; its top leans to the right.
    shift_x = ink.box.x0 - wide * left - shear * base
    shift_y = ink.box.y1 - high * base
    matrix = np.array([(wide, shear, shift_x), (0, high, shift_y), (0, 0, 1)], np.float64)
    like = _likeness(ink, soft, drawn, matrix, None)
    return replace(match, matrix=matrix, likeness=like - _cost(matrix) - 0.01 * (slant > 0))


def _cost(matrix: NDArray[np.float64]) -> float:
    """Return what letters cost that are stretched or squeezed."""
    stretch = abs(float(np.log(matrix[0, 0] / matrix[1, 1])))
    return _STRETCH_COST * max(stretch - _FREE_STRETCH, 0)


def covering(drawn: Drawn, matrix: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return a drawn text as a frame of (height, width) shows it, FP32 [h, w], 0 to 1.

    Args:
        drawn: the text.
        matrix: from px of the text, from its origin, to px of the frame.
        size: the frame's height and width.
    """
    from_origin = np.array([(1, 0, -drawn.origin[0]), (0, 1, -drawn.origin[1]), (0, 0, 1)])
    whole = matrix @ from_origin
    scale = np.sqrt(abs(np.linalg.det(whole[:2, :2])))
    coverage = drawn.coverage
    if scale < 0.8:
        coverage = cv2.GaussianBlur(coverage, (0, 0), 0.4 / scale)
    shown = cv2.warpPerspective(coverage, whole, size[::-1], flags=cv2.INTER_LINEAR)
    return np.asarray(shown, np.float32)


def _likeness(
    ink: Ink, soft: NDArray[np.float32], drawn: Drawn, matrix: NDArray[np.float64],
    weights: NDArray[np.float32] | None,
) -> float:  # fmt: skip
    """Return the correlation of two coverages within the line, columns weighted."""
    shown = _softened(covering(drawn, matrix, soft.shape))
    pad = round(0.15 * LINE_PX)
    rows = slice(max(ink.box.y0 - pad, 0), ink.box.y1 + pad)
    columns = slice(max(ink.box.x0 - pad, 0), ink.box.x1 + pad)
    a, b = soft[rows, columns], shown[rows, columns]
    w = np.ones_like(a) if weights is None else np.broadcast_to(weights[columns], a.shape)
    w = w / w.sum()
    a, b = a - (w * a).sum(), b - (w * b).sum()
    return float((w * a * b).sum() / np.sqrt(max((w * a * a).sum() * (w * b * b).sum(), 1e-12)))


def _refined(ink: Ink, soft: NDArray[np.float32], old: str, new: str, match: Match) -> Match:
    """Move, turn and slant a match until it fits, then try it heavier and lighter."""
    best = _aligned(ink, soft, old, new, match)
    for step in (150, 75, 40):
        for by in (step, -step):
            other = replace(best, cut=best.cut.heavier(by))
            if other.cut != best.cut:
                best = max(best, _fitted(ink, soft, old, new, other), key=_by_likeness)
    for step in (2.0, 1.0):
        for by in (step, -step):
            other = replace(best, offset=best.offset + by)
            if abs(other.offset) <= _FARTHEST_OFFSET:
                best = max(best, _scored(ink, soft, old, new, other), key=_by_likeness)
    return _aligned(ink, soft, old, new, best)


_FARTHEST_OFFSET: Final = 5.0  # px of the em: 4 % of it; beyond that counters close and thin parts tear


def _by_likeness(match: Match) -> float:
    return match.likeness


def _fitted(ink: Ink, soft: NDArray[np.float32], old: str, new: str, match: Match) -> Match:
    """Lay a heavier or lighter cut so that it covers what the one before it covered.

    Its advances differ, so it is stretched to the same width.
    """
    before = draw(old, replace(match.cut, weight=match.cut.weight), match.tracking, match.offset)
    x0, _, x1, _ = before.box
    del x0, x1
    now = draw(old, match.cut, match.tracking, match.offset)
    shown = covering(now, match.matrix, soft.shape) > 0.5
    if not shown.any():
        return match
    columns = np.flatnonzero(shown.any(0))
    factor = ink.box.width / max(columns[-1] + 1 - columns[0], 1)
    squeeze = np.array([(factor, 0, ink.box.x0 - factor * columns[0]), (0, 1, 0), (0, 0, 1)])
    return _scored(ink, soft, old, new, replace(match, matrix=squeeze @ match.matrix))


def _scored(ink: Ink, soft: NDArray[np.float32], old: str, new: str, match: Match) -> Match:
    drawn = draw(old, match.cut, match.tracking, match.offset)
    weights = _column_weights(drawn, match, old, new, soft.shape[1])
    like = _likeness(ink, soft, drawn, match.matrix, weights)
    return replace(match, likeness=like - _cost(match.matrix))


def _column_weights(
    drawn: Drawn, match: Match, old: str, new: str, width: int
) -> NDArray[np.float32]:
    """Return how much each column of the frame counts, FP32 [w]: those of letters that stay most."""
    weights = np.ones(width, np.float32)
    for index, letter in enumerate(old):
        if letter in new and letter != " ":
            span = np.array([(drawn.starts[index], 0), (drawn.starts[index + 1], 0)])
            ends = (np.c_[span, np.ones(2)] @ match.matrix.T)[:, 0]
            low, high = sorted((int(ends[0]), int(ends[1])))
            weights[max(low, 0) : max(high, 0)] = _STAYING
    return weights


def _aligned(ink: Ink, soft: NDArray[np.float32], old: str, new: str, match: Match) -> Match:
    """Align by enhanced correlation (Evangelidis and Psarakis, 2008), within what letters do."""
    start = _scored(ink, soft, old, new, match)
    drawn = draw(old, match.cut, match.tracking, match.offset)
    shown = _softened(covering(drawn, match.matrix, soft.shape))
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4)
    try:
        _, warp = cv2.findTransformECC(
            soft, shown, np.eye(2, 3, dtype=np.float32), cv2.MOTION_AFFINE, criteria
        )
    except cv2.error:
        return start
    move = np.linalg.inv(np.vstack([warp.astype(np.float64), (0, 0, 1)]))
    if not _sensible(move):
        return start
    moved = replace(match, matrix=move @ match.matrix)
    return max(start, _scored(ink, soft, old, new, moved), key=_by_likeness)


def _sensible(move: NDArray[np.float64]) -> bool:
    """Tell whether a correction is small: a large one followed something that is no letter."""
    wide, high = np.linalg.norm(move[:2, 0]), np.linalg.norm(move[:2, 1])
    turned = abs(move[1, 0])
    return bool(0.85 < wide < 1.18 and 0.85 < high < 1.18 and turned < 0.12 and abs(move[0, 1]) < 0.4)
