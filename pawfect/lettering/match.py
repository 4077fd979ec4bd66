"""How a face lies over the old letters: its place, and how well a whole word covers another."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.lettering.drawing import Drawn, starts
from pawfect.lettering.faces import Cut
from pawfect.lettering.frame import LINE_PX
from pawfect.lettering.ink import Ink
from pawfect.lettering.letters import Agreement, covering, softened

_STRETCH_COST: Final = 0.5  # per factor e of letters made wider or narrower than the face has them
_FREE_STRETCH: Final = 0.06  # of that: also a photo's perspective does it


@dataclass(frozen=True, eq=False)
class Match:
    """A face as it covers the old letters.

    Attributes:
        cut: the face.
        tracking: px of the em between letters beyond the face's own spacing.
        offset: px of the em by which edges are moved.
        matrix: FP64 [3, 3] from px of the drawn text, from its origin at the baseline's start, to
            px of the frame.
        likeness: up to 1, where it covers exactly what the old letters cover.
    """

    cut: Cut
    tracking: float = 0.0
    offset: float = 0.0
    matrix: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))
    likeness: float = 0.0

    @property
    def slant(self) -> float:
        """How far its letters lean to the right, as a share of their height."""
        return float(-self.matrix[0, 1] / self.matrix[1, 1])

    def stretched(self, factor: float) -> Match:
        """Return the match with letters so much wider, its first one where it was."""
        wider = self.matrix.copy()
        wider[:, 0] *= factor
        return replace(self, matrix=wider)

    def advance(self, text: str) -> float:
        """Return how far a letter of a text is from the next, on the average, px of the em."""
        return starts(text, self.cut, self.tracking)[-1] / max(len(text), 1)


def cost(matrix: NDArray[np.float64]) -> float:
    """Return what letters cost that are stretched or squeezed."""
    stretch = abs(float(np.log(max(matrix[0, 0], 1e-6) / max(matrix[1, 1], 1e-6))))
    return _STRETCH_COST * max(stretch - _FREE_STRETCH, 0)


def overlap(
    ink: Ink, soft: NDArray[np.float32], drawn: Drawn, matrix: NDArray[np.float64]
) -> float:
    """Return the correlation of a drawn word and the old one's softened coverage, up to 1."""
    shown = softened(covering(drawn, matrix, soft.shape))
    pad = round(0.15 * LINE_PX)
    rows = slice(max(ink.box.y0 - pad, 0), ink.box.y1 + pad)
    columns = slice(max(ink.box.x0 - pad, 0), ink.box.x1 + pad)
    a, b = soft[rows, columns], shown[rows, columns]
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / np.sqrt(max(float((a * a).sum() * (b * b).sum()), 1e-9)))


def turned_slightly(found: Agreement) -> tuple[float, NDArray[np.float64]]:
    """Return by how much letters stand farther apart, as a share, and how the word has to move.

    Args:
        found: where each letter was found beside where it was looked for.
    """
    x, w = found.centres, np.sqrt(found.weights * np.clip(found.likenesses, 0.05, 1))
    if x.size < 2 or np.ptp(x) < 8:
        shift = np.array([(1, 0, float(np.median(found.dx))), (0, 1, float(np.median(found.dy)))])
        return 0.0, np.vstack([shift, (0, 0, 1)])
    basis = np.stack([np.ones_like(x), x - x[0]], 1)
    (cx, slope), *_ = np.linalg.lstsq(basis * w[:, None], found.dx * w, rcond=None)
    (cy, turn), *_ = np.linalg.lstsq(basis * w[:, None], found.dy * w, rcond=None)
    turn = float(np.clip(turn, -0.06, 0.06))
    move = np.array([(1, 0, cx), (turn, 1, cy - turn * x[0]), (0, 0, 1)], np.float64)
    return float(np.clip(slope, -0.2, 0.2)), move


def aligned(
    soft: NDArray[np.float32], shown: NDArray[np.float32], matrix: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Align a drawn word by enhanced correlation (Evangelidis and Psarakis, 2008).

    Returns:
        The new matrix; None where it does not settle, or on what is no letter.
    """
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4)
    try:
        _, warp = cv2.findTransformECC(
            soft, softened(shown), np.eye(2, 3, dtype=np.float32), cv2.MOTION_AFFINE, criteria
        )
    except cv2.error:
        return None
    move = np.linalg.inv(np.vstack([warp.astype(np.float64), (0, 0, 1)]))
    return move @ matrix if _small(move) else None


def _small(move: NDArray[np.float64]) -> bool:
    """Tell whether a correction is small: a large one followed something that is no letter."""
    wide, high = np.linalg.norm(move[:2, 0]), np.linalg.norm(move[:2, 1])
    return bool(
        0.88 < wide < 1.14
        and 0.88 < high < 1.14
        and abs(move[1, 0]) < 0.1
        and abs(move[0, 1]) < 0.3
    )
