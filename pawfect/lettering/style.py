"""What the old letters look like beside their shape: softness of their edges, and their grain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.lettering.drawing import draw
from pawfect.lettering.frame import Frame
from pawfect.lettering.ink import Ink, Plane, cleaned
from pawfect.lettering.letters import covering
from pawfect.lettering.match import Match
from pawfect.picture.grain import MOST_NOISE, noise_level

_SHARPEST: Final = 0.2  # px of the photo: below it a blur changes nothing
_SOFTEST: Final = 6.0  # px of the photo: letters that are softer than that are hardly read
_EDGE: Final = (0.25, 0.75)  # coverage: where an edge's steepness is looked at
_PIXEL: Final = 0.29  # px: the deviation of what a pixel averages over, which drawing brings itself


@dataclass(frozen=True, eq=False)
class Style:
    """How new letters are to look.

    Attributes:
        match: face, spacing, weight and place.
        colour: of the ink, in the frame.
        sigma: px of the photo, of the Gaussian that softens the edges.
        grain: levels of 255, the deviation of the noise on the strokes.
    """

    match: Match
    colour: Plane
    sigma: float
    grain: float


def measured(photo: NDArray[np.uint8], frame: Frame, ink: Ink, old: str, match: Match) -> Style:
    """Measure old letters.

    Args:
        photo: UINT8 [H, W, 3].
        frame: theirs.
        ink: theirs.
        old: what they say.
        match: how the closest face covers them.
    """
    return Style(match, ink.colour, _softness(frame, ink, old, match), _grain(photo, frame, ink))


def _softness(frame: Frame, ink: Ink, old: str, match: Match) -> float:
    """Find the blur that makes drawn edges as steep as the old ones: both are measured alike."""
    wanted = _steepness(ink.alpha)
    drawn = draw(old, match.cut, match.tracking, match.offset)
    sharp = covering(drawn, match.matrix, ink.alpha.shape)
    low, high = _SHARPEST * frame.scale, _SOFTEST * frame.scale
    for _ in range(10):
        middle = float(np.sqrt(low * high))
        soft = cv2.GaussianBlur(sharp, (0, 0), middle)
        if _steepness(cleaned(np.asarray(soft, np.float32))) > wanted:
            low = middle
        else:
            high = middle
    sigma = float(np.sqrt(low * high)) / frame.scale
    return float(np.sqrt(max(sigma**2 - _PIXEL**2, _SHARPEST**2)))


def _steepness(alpha: NDArray[np.float32]) -> float:
    """Return the usual change of coverage per px across an edge."""
    smooth = cv2.GaussianBlur(alpha, (0, 0), 1.0)
    across, down = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    edge = (smooth > _EDGE[0]) & (smooth < _EDGE[1])
    if not edge.any():
        return 0.0
    return float(np.median(np.hypot(across, down)[edge]))


def _grain(photo: NDArray[np.uint8], frame: Frame, ink: Ink) -> float:
    """Return the noise on the strokes, of the ground where they are too thin to be measured."""
    size = (photo.shape[1], photo.shape[0])
    planes = (ink.alpha > 0.97, ~ink.mask)
    strokes, ground = (
        np.asarray(cv2.warpPerspective(plane.astype(np.float32), frame.to_photo, size) > 0.95)
        for plane in planes
    )
    strokes = np.asarray(cv2.erode(strokes.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
    where = strokes if strokes.sum() > 80 else ground
    if not where.any():
        return 0.0
    y, x, h, w = _around(where)
    part = slice(y, y + h), slice(x, x + w)
    return min(noise_level(photo[part], where[part]), MOST_NOISE)


def _around(where: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    x, y, w, h = cv2.boundingRect(where.astype(np.uint8))
    return y, x, h, w
