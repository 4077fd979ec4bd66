"""What a fill whose truth is known scored: look, seam and sharpness together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pawfect.scores.look import look
from pawfect.scores.seam import seam_step
from pawfect.scores.sharpness import sharpness_ratio


@dataclass(frozen=True)
class Scores:
    """What a fill scored; `st_lpips` 0, `seam_step` the truth's own and `sharpness` 1 are best.

    Attributes:
        st_lpips: mean over the holes' tight crops, weighted by their hole area.
        seam_step: CIE76 between local means on both sides of the hole's rim.
        sharpness: Laplacian energy in the hole over that in the ring around it.
        sharpness_log: the absolute natural logarithm of `sharpness`: 0 is best, either way.
    """

    st_lpips: float
    seam_step: float
    sharpness: float
    sharpness_log: float


def score(result: NDArray[np.uint8], truth: NDArray[np.uint8], hole: NDArray[np.uint8]) -> Scores:
    """Score a result, UINT8 [H, W, 3], against the truth; `hole` is the mask that was filled.

    Raises:
        ValueError: the hole is too thin, or fills the picture.
    """
    sharpness = sharpness_ratio(result, hole)
    return Scores(
        st_lpips=look(result, truth, hole),
        seam_step=seam_step(result, hole > 0),
        sharpness=sharpness,
        sharpness_log=abs(float(np.log(sharpness))),
    )
