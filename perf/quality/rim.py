"""How far a fill's colour along the hole's rim is from the truth's."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.picture import raster

# The band inside the rim, px: where a wrong tone shows as an edge.
BAND_PX: Final = 8.0
# Side of the means that are compared, px: wide enough that texture which differs does not count.
MEAN_PX: Final = 9


def rim_colour(
    result: NDArray[np.uint8], truth: NDArray[np.uint8], hole: NDArray[np.uint8]
) -> float:
    """Measure how far a fill's colour is from the truth's just inside the hole's rim.

    Unlike the seam step it knows the truth, so that a smear to the surroundings' colour is wrong
    where the truth differs from them.

    Args:
        result: UINT8 [H, W, 3] RGB.
        truth: UINT8 of the same shape.
        hole: UINT8 [H, W], non-zero where filled, not everywhere.

    Returns:
        The mean distance in CIELAB (CIE76) between local means of both, each over those of its
        `MEAN_PX` square that lie in the hole within `BAND_PX` of its rim; 0 without a hole.
    """
    if not (hole > 0).any():
        return 0.0
    at = raster.surrounding(hole > 0, MEAN_PX)
    inside = hole[at] > 0
    band = inside & (raster.distance_to(~inside) <= BAND_PX)
    colours = [raster.to_lab(np.ascontiguousarray(picture[at])) for picture in (result, truth)]
    difference = (colours[0] - colours[1]) * band[..., None]
    # At least the pixel itself lies in the band wherever the mean is taken.
    mean = _sums(difference)[band] / _sums(band.astype(np.float32))[band][:, None]
    return float(np.sqrt((mean**2).sum(-1)).mean())


def _sums(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sum [H, W] or [H, W, C] over squares; nothing lies outside the picture."""
    size = (MEAN_PX, MEAN_PX)
    sums = cv2.boxFilter(values, -1, size, normalize=False, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(sums, np.float32)
