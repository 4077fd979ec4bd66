"""Whether a fill that a network led is taken before plain patches, by what the picture itself says.

So far measured without a published network's weights, which could not be had: with a drawing put in
its place, 160 px, on every second scene of the quality set (15; ST-LPIPS, patches alone 0.054):

    drawing                     led everywhere   chosen here   the better of both
    the truth                   0.045            0.045         0.041
    a smear (OpenCV's TELEA)    0.069            0.053         0.051
    the photo turned round      0.119            0.054         0.052

So the signs only veto: they let the led fill through where it differs from the patches at all, is
made of what the network drew, and shows no fault that the patches do not show.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.picture import raster
from pawfect.scores.seam import seam_step
from pawfect.scores.sharpness import sharpness_ratio

NOTICEABLE: Final = 2.3
"""CIE76: two colours that are just told apart (Mahy et al., 1994). Nearer fills are the same."""
FOLLOWED: Final = 10.0
"""CIE76: copies farther from what the network drew do not show it: the photo has nothing like it,
or the network drew what is nowhere around."""
STEP_SLACK: Final = 0.5 * NOTICEABLE  # by which a seam step is larger without being seen so
DETAIL_SLACK: Final = 1.25  # as sharp as its surroundings, by eye
SIGMA: Final = 6.0  # px, of the means that are compared, as across the seam


@dataclass(frozen=True)
class Preference:
    """Which fill is taken, and why.

    Attributes:
        led: whether it is the one that the network led.
        reason: in words, with the numbers.
    """

    led: bool
    reason: str


def prefer(
    led: NDArray[np.uint8], plain: NDArray[np.uint8], hole: NDArray[np.uint8], off_drawing: float
) -> Preference:
    """Choose between two fills of one window.

    Args:
        led: UINT8 [H, W, 3] RGB, filled with patches that a network's drawing led.
        plain: UINT8 [H, W, 3] RGB, filled with patches alone; the same outside the hole.
        hole: UINT8 [H, W], non-zero where filled.
        off_drawing: how far `led` is from the drawing, CIE76.
    """
    differ = _difference(led, plain, hole > 0)
    if differ < NOTICEABLE:
        return Preference(False, f"patches and LaMa agree ({differ:.1f})")
    if off_drawing > FOLLOWED:
        return Preference(False, f"patches cannot follow LaMa's drawing ({off_drawing:.1f})")
    step, allowed = seam_step(led, hole > 0), seam_step(plain, hole > 0)
    if step > allowed + STEP_SLACK:
        return Preference(False, f"LaMa's seam step is {step:.1f}, the patches' {allowed:.1f}")
    try:
        unlike, usual = (_unlike(sharpness_ratio(fill, hole)) for fill in (led, plain))
    except ValueError:
        return Preference(False, "the hole is too thin to show detail")
    if unlike > max(usual, DETAIL_SLACK):
        return Preference(
            False, f"LaMa's detail is off by {unlike:.2f}, the patches' by {usual:.2f}"
        )
    return Preference(True, f"LaMa differs ({differ:.1f}) and shows no fault of its own")


def _difference(one: NDArray[np.uint8], other: NDArray[np.uint8], hole: NDArray[np.bool_]) -> float:
    """Return the mean distance of local means in a hole, CIE76."""
    at = raster.surrounding(hole, round(3 * SIGMA))
    means = [
        raster.gaussian(raster.to_lab(np.ascontiguousarray(fill[at])), SIGMA)
        for fill in (one, other)
    ]
    return float(np.sqrt(np.square(means[0] - means[1]).sum(-1))[hole[at]].mean())


def _unlike(ratio: float) -> float:
    """Return by which factor detail is too much or too little, at least 1."""
    return max(ratio, 1 / ratio)
