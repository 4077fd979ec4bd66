"""One face's 106 landmarks, drawn with ellipses, in the order of the published network's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

# Places by part, in the order in which each is drawn; they are those of insightface's own markup of
# its 106 points: left and right are the picture's.
CONTOUR: Final = (1, *range(9, 17), *range(2, 9), 0, *range(24, 17, -1), *range(32, 24, -1), 17)
LEFT_BROW: Final = (43, 48, 49, 51, 50, 46, 47, 45, 44)
RIGHT_BROW: Final = (101, 105, 104, 103, 102, 97, 98, 99, 100)
LEFT_EYE: Final = (35, 41, 40, 42, 39, 37, 33, 36)
RIGHT_EYE: Final = (89, 95, 94, 96, 93, 91, 87, 90)
PUPILS: Final = ((34, 38), (88, 92))
BRIDGE: Final = (72, 73, 74, 86)
NOSE: Final = (75, 76, 77, 78, 79, 80, 85, 84, 83, 82, 81)
LIPS: Final = (52, 64, 63, 71, 67, 68, 61, 58, 59, 53, 56, 55)
MOUTH: Final = (65, 66, 62, 70, 69, 57, 60, 54)
# A face's box is two thirds of the crop's side at its longer side, and a face is this much as wide
# as high.
TALL: Final = 2 / 3
WIDE: Final = 0.75 * TALL


def canonical_landmarks() -> NDArray[np.float32]:
    """Return FP32 [106, 2], x and y from -1 to 1 across the crop: a face that looks at one."""
    points = np.full((106, 2), np.nan)
    turn = np.linspace(np.pi, 0, len(CONTOUR))
    points[list(CONTOUR)] = np.column_stack([0.9 * np.cos(turn), -0.25 + 1.2 * np.sin(turn)])
    for side, brow, eye, pupil in (
        (-1, LEFT_BROW, LEFT_EYE, PUPILS[0]),
        (1, RIGHT_BROW, RIGHT_EYE, PUPILS[1]),
    ):
        middle = 0.42 * side
        across = np.linspace(-0.3, 0.3, 5)
        top = np.column_stack([middle + across, -0.5 - 0.08 * np.cos(4 * across)])
        below = np.column_stack([middle + across[:4], np.full(4, -0.46)])
        points[list(brow)] = np.concatenate([top, below[::-1]])
        _ellipse(points, eye, (middle, -0.22), (0.2, 0.08))
        points[list(pupil)] = middle, -0.22
    points[list(BRIDGE)] = np.column_stack([np.zeros(4), np.linspace(-0.2, 0.22, 4)])
    turn = np.linspace(np.pi, 0, len(NOSE))
    points[list(NOSE)] = np.column_stack([0.24 * np.cos(turn), 0.08 + 0.24 * np.sin(turn)])
    _ellipse(points, LIPS, (0.0, 0.58), (0.36, 0.13))
    _ellipse(points, MOUTH, (0.0, 0.58), (0.28, 0.05))
    assert not np.isnan(points).any()
    return np.asarray(points * (WIDE, TALL), np.float32)


def _ellipse(
    points: NDArray[np.float64],
    places: Sequence[int],
    middle: tuple[float, float],
    radii: tuple[float, float],
) -> None:
    """Draw an ellipse from its left end over the top."""
    turn = np.pi + np.linspace(0, 2 * np.pi, len(places), endpoint=False)
    circle = np.column_stack([np.cos(turn), np.sin(turn)])
    points[list(places)] = np.asarray(middle) + circle * np.asarray(radii)
