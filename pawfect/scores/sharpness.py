"""Detail inside a hole against detail around it."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.picture.raster import distance_to

# Pixels nearer to the hole's boundary count on neither side, so that the seam is no detail, px.
GAP_PX: Final = 3.0
# Luma of Rec. 709, the primaries of sRGB.
_LUMA: Final = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)


def sharpness_ratio(image: NDArray[np.uint8], hole: NDArray[np.uint8]) -> float:
    """Compare detail inside a hole with detail around it.

    Detail is the mean square of the luma's Laplacian (3x3), grain included. The ring is as wide as
    0.3 of the square root of the hole's area, 16 px at least.

    Args:
        image: UINT8 [H, W, 3] RGB.
        hole: UINT8 [H, W], non-zero where filled.

    Returns:
        Inside over outside, above 0; 1 where the hole is as sharp as its surroundings.

    Raises:
        ValueError: the hole is too thin, or fills the picture.
    """
    distance = signed_distance(hole)
    width = max(0.3 * float(np.sqrt(np.count_nonzero(hole))), 16.0)
    detail = cv2.Laplacian((image @ _LUMA).astype(np.float32), cv2.CV_32F) ** 2
    inside = distance <= -GAP_PX
    ring = (distance >= GAP_PX) & (distance <= GAP_PX + width)
    if not inside.any() or not ring.any():
        raise ValueError("expected a hole with an inside and a ring, got none")
    # A quarter of the rounding error's energy: keeps a flat surface from dividing by zero.
    least = 1 / 48
    return float((detail[inside].mean() + least) / (detail[ring].mean() + least))


def signed_distance(hole: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return each pixel's distance to the hole's boundary, FP32 [H, W] px: negative in the hole."""
    inside = hole > 0
    distance = np.where(inside, 0.5 - distance_to(~inside), distance_to(inside) - 0.5)
    return distance.astype(np.float32)
