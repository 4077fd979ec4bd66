"""The ink of a line in groups, one for each letter, where letters stand apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.lettering.ink import Ink
from pawfect.picture.box import Box

_INK: Final = (0.35, 0.5, 0.65, 0.8)
"""Coverage from which a pixel is ink: little first, so that thin parts of a letter hold; more where
letters still touch."""
_RIM: Final = 9.0  # px of the frame: how far a letter's rim reaches beyond its ink
_ABOVE: Final = (
    0.5  # of the narrower one's width: pieces that overlap so far stand above each other
)
_IN_PAIRS: Final = (
    '"\u201c\u201d\u201e%:;=\u2026'  # letters of several pieces side by side, or small ones
)


@dataclass(frozen=True, eq=False)
class Groups:
    """The ink of each letter, blanks left out, in the order of the text.

    Attributes:
        labels: INT32 [h, w], 0 where there is no ink, else 1 + the letter's place among them.
        rims: the same, each letter's with its soft rim; where two meet, the nearer one's.
        boxes: of each, px of the frame.
    """

    labels: NDArray[np.int32]
    rims: NDArray[np.int32]
    boxes: tuple[Box, ...]


def letter_groups(ink: Ink, text: str) -> Groups | None:
    """Give each letter of a text its ink, from left to right.

    Args:
        ink: the old letters.
        text: what they say.

    Returns:
        None where there are not as many pieces of ink as letters: they touch, or are broken.
    """
    letters = [letter for letter in text if letter != " "]
    if any(letter in _IN_PAIRS for letter in letters):
        return None
    tried = (_grouped(ink.alpha > level, len(letters)) for level in _INK)
    return next((groups for groups in tried if groups is not None), None)


def _grouped(flags: NDArray[np.bool_], wanted: int) -> Groups | None:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(flags.astype(np.uint8))
    pieces = sorted(
        (int(x), int(x + w), index) for index, (x, _, w, _, _) in enumerate(stats) if index
    )
    spans: list[tuple[int, int, list[int]]] = []
    for x0, x1, index in pieces:
        if spans and _above(spans[-1], (x0, x1)):
            a, b, own = spans[-1]
            spans[-1] = (min(a, x0), max(b, x1), [*own, index])
        else:
            spans.append((x0, x1, [index]))
    if len(spans) != wanted:
        return None
    owner = np.zeros(count, np.int32)
    for place, (_, _, own) in enumerate(spans):
        owner[own] = place + 1
    grouped = owner[labels]
    boxes = tuple(_box(grouped == place + 1) for place in range(wanted))
    return Groups(grouped, _rims(grouped), boxes)


def _rims(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Give what lies near to letters to the nearest of them."""
    away, nearest = cv2.distanceTransformWithLabels(
        (labels == 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    of = np.zeros(int(nearest.max()) + 1, np.int32)
    inked = labels > 0
    of[nearest[inked]] = labels[inked]
    return np.where(away <= _RIM, of[nearest], 0).astype(np.int32)


def _above(span: tuple[int, int, list[int]], other: tuple[int, int]) -> bool:
    shared = min(span[1], other[1]) - max(span[0], other[0])
    return shared > _ABOVE * min(span[1] - span[0], other[1] - other[0])


def _box(flags: NDArray[np.bool_]) -> Box:
    x, y, w, h = cv2.boundingRect(flags.astype(np.uint8))
    return Box(x, y, x + w, y + h)
