"""What a fill's outline shows that outlines elsewhere in the photo do not."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.picture import raster
from pawfect.scores.closeup import Closeup
from pawfect.scores.seam import SEAM_SIGMA, seam_step

# px from the outline: there the means of `seam_step` see next to nothing of the fill.
_AWAY_PX: Final = round(3 * SEAM_SIGMA)
# px: across the outline lie the pixels on both its sides; the bands beside it are as wide as ten of
# those, so that their mean is known better than its.
_RIM_PX: Final = 1.0
_BAND: Final = (4.0, 16.0)
# Levels of 255: below it a gradient is rounding and grain.
_LEAST_GRADIENT: Final = 0.5
_SMOOTH_PX: Final = 1.5  # of the distances, whose gradient points across the outline


def seam_excess(close: Closeup) -> float | None:
    """Return by how much the colour step at the outline exceeds that of an outline in the photo.

    Args:
        close: the hole and its surroundings.

    Returns:
        CIE76, negative where the fill is smoother than the photo; None where no other outline fits
        into the closeup.
    """
    around = raster.grow(close.hole, _AWAY_PX)
    if around.all():
        return None
    return seam_step(close.image, close.hole) - seam_step(close.image, around)


def edge_excess(close: Closeup, luma: NDArray[np.float32]) -> float | None:
    """Return how much steeper the luma is across the outline than on either side of it.

    Args:
        close: the hole and its surroundings.
        luma: FLOAT32 [h, w] of its image, 0 to 255.

    Returns:
        The log of the ratio of mean gradients, in the direction across the outline; None where
        there are no sides.
    """
    along = [cv2.Sobel(luma, cv2.CV_32F, *axes, ksize=3) / 8 for axes in ((1, 0), (0, 1))]
    depth = cv2.GaussianBlur(close.distance, (0, 0), _SMOOTH_PX)
    across = [cv2.Sobel(depth, cv2.CV_32F, *axes, ksize=3) for axes in ((1, 0), (0, 1))]
    length = np.maximum(np.hypot(*across), 1e-6)
    steep = np.abs(along[0] * across[0] + along[1] * across[1]) / length
    away = np.abs(close.distance)
    beside = (away > _BAND[0]) & (away <= _BAND[1])
    sides = [beside & close.hole, beside & ~close.hole]
    if not all(side.any() for side in sides):
        return None
    usual = max(float(steep[side].mean()) for side in sides)
    rim = float(steep[away <= _RIM_PX].mean())
    return float(np.log((rim + _LEAST_GRADIENT) / (usual + _LEAST_GRADIENT)))
