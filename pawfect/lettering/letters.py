"""Letters one by one: where each of a drawn word is found in the old one, and how like it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.lettering.drawing import Drawn
from pawfect.lettering.frame import LINE_PX, mapped
from pawfect.lettering.ink import Ink

_SOFT: Final = 0.022  # of the line's height: a blur that forgives edges a little out of place
_BESIDE: Final = 0.12  # of the line's height: how far a letter may stand from where it is expected
_ABOVE: Final = 0.05
_STAYING: Final = 3.0  # weight of letters that old and new text share, beside the others' 1
_AWAY_COST: Final = 0.6  # per line's height by which letters stand elsewhere, as a root mean square


@dataclass(frozen=True, eq=False)
class Agreement:
    """How a drawn word's letters agree with the old ones; arrays have a row per letter.

    Attributes:
        likeness: of all, up to 1.
        likenesses: FP64 [n], each letter's correlation, -1 to 1.
        centres: FP64 [n], px of the frame, where each was expected.
        dx: FP64 [n], px to the right where it was found.
        dy: FP64 [n], px down where it was found.
        weights: FP64 [n], how much each counts.
        at: places in the text; blanks have no row.
    """

    likeness: float
    likenesses: NDArray[np.float64]
    centres: NDArray[np.float64]
    dx: NDArray[np.float64]
    dy: NDArray[np.float64]
    weights: NDArray[np.float64]
    at: tuple[int, ...]


def softened(alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """Blur a coverage of a frame as both sides of a comparison are."""
    return np.asarray(cv2.GaussianBlur(alpha, (0, 0), _SOFT * LINE_PX), np.float32)


def covering(
    drawn: Drawn, matrix: NDArray[np.float64], size: tuple[int, ...]
) -> NDArray[np.float32]:
    """Return a drawn text as a frame of (height, width) shows it, FP32 [h, w], 0 to 1.

    Args:
        drawn: the text.
        matrix: from px of the text, from its origin, to px of the frame.
        size: the frame's height and width.
    """
    from_origin = np.array([(1, 0, -drawn.origin[0]), (0, 1, -drawn.origin[1]), (0, 0, 1)])
    whole = matrix @ from_origin
    scale = float(np.sqrt(abs(np.linalg.det(whole[:2, :2]))))
    coverage = drawn.coverage
    if scale < 0.8:
        coverage = np.asarray(cv2.GaussianBlur(coverage, (0, 0), 0.4 / scale), np.float32)
    shown = cv2.warpPerspective(coverage, whole, (size[1], size[0]), flags=cv2.INTER_LINEAR)
    return np.asarray(shown, np.float32)


def agreement(
    ink: Ink, soft: NDArray[np.float32], drawn: Drawn, matrix: NDArray[np.float64], old: str,
    new: str,
) -> Agreement:  # fmt: skip
    """Look for each letter of a drawn word near where it is expected in the old one.

    Args:
        ink: the old letters.
        soft: their softened coverage.
        drawn: the same text in a face.
        matrix: how it lies in the frame.
        old: the text.
        new: what is to be written.
    """
    shown = softened(covering(drawn, matrix, soft.shape))
    beside, above = round(_BESIDE * LINE_PX), round(_ABOVE * LINE_PX)
    middle = (drawn.box[1] + drawn.box[3]) / 2 - drawn.origin[1]
    line = np.stack([drawn.starts, np.full(len(drawn.starts), middle)], 1)
    edges = mapped(line, matrix)[:, 0]
    low, high = max(ink.box.y0 - 6, 0), min(ink.box.y1 + 6, soft.shape[0])
    field = cv2.copyMakeBorder(soft, above, above, beside, beside, cv2.BORDER_CONSTANT)
    rows: list[tuple[float, float, float, float, float, int]] = []
    for index, letter in enumerate(old):
        x0 = max(round(float(edges[index])) - 3, 0)
        x1 = min(round(float(edges[index + 1])) + 3, soft.shape[1])
        if letter == " " or x1 - x0 < 5:
            continue
        part = np.ascontiguousarray(shown[low:high, x0:x1])
        if part.std() < 1e-3:
            continue
        near = np.ascontiguousarray(field[low : high + 2 * above, x0 : x1 + 2 * beside])
        scores = cv2.matchTemplate(near, part, cv2.TM_CCOEFF_NORMED)
        _, best, _, found = cv2.minMaxLoc(scores)
        weight = (_STAYING if letter in new else 1.0) * (x1 - x0)
        rows.append((best, (x0 + x1) / 2, found[0] - beside, found[1] - above, weight, index))
    if not rows:
        empty = np.zeros(0)
        return Agreement(-1.0, empty, empty, empty, empty, empty, ())
    columns = np.array(rows, np.float64).T
    like, centres, dx, dy, weights, at = columns
    share = weights / weights.sum()
    away = float(np.sqrt((share * (dx**2 + dy**2)).sum())) / LINE_PX
    total = float((share * like).sum()) - _AWAY_COST * away
    return Agreement(total, like, centres, dx, dy, weights, tuple(int(one) for one in at))
