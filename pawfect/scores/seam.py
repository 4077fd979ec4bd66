"""The colour step that a fill leaves at its rim, in CIE76."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.picture import raster
from pawfect.picture.tone import blur_known

# Reach, px, of the means that are compared across the seam: wide enough to average grain out.
SEAM_SIGMA: Final = 6.0
# Least share of a Gaussian that must lie on either side for a rim pixel to count.
LEAST_SUPPORT: Final = 0.05


def seam_step(image: NDArray[np.uint8], hole: NDArray[np.bool_]) -> float:
    """Measure the colour step across the rim of a hole.

    Args:
        image: UINT8 [H, W, 3] RGB.
        hole: [H, W].

    Returns:
        The mean distance in CIELAB (CIE76, about 2.3 is just noticeable) between local means just
        inside and just outside the rim; 0 where there is no rim.
    """
    if not hole.any() or hole.all():
        return 0.0
    at = raster.surrounding(hole, round(4 * SEAM_SIGMA))
    steps, rim = step_map(np.ascontiguousarray(image[at]), hole[at])
    return float(steps[rim].mean()) if rim.any() else 0.0


def step_map(
    image: NDArray[np.uint8], hole: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the colour step at each pixel, CIE76 [H, W], and the rim [H, W] where it is known.

    Args:
        image: UINT8 [H, W, 3] RGB.
        hole: [H, W], with a rim.
    """
    colours = raster.to_lab(image)
    outer, outside = blur_known(colours, ~hole, SEAM_SIGMA)
    inner, within = blur_known(colours, hole, SEAM_SIGMA)
    rim = hole & raster.grow(~hole, 1)
    rim &= (outside > LEAST_SUPPORT) & (within > LEAST_SUPPORT)
    return np.sqrt(((outer - inner) ** 2).sum(-1)), rim
