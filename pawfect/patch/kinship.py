"""Which surroundings are like those of the hole, and may be copied into it."""

import numpy as np
from numpy.typing import NDArray

from pawfect.picture import raster
from pawfect.picture.tone import blur_known

FINE = (1.0, 2.5)
"""px: what blurs of these widths take away is lost first out of focus; the finer is hidden by grain
where a picture has much."""
_NEIGHBOURHOOD = 6.0  # px, a Gaussian's sigma: some 20 px, over which fine detail is measured
_RING = 1 / 3  # of the hole's width, and at least 16 px: what the hole must fit
_LEAST_RING = 16.0
_QUANTILES = (10, 90)
_TOLERANCE = 0.7
"""Natural logarithm: fine detail half or twice as strong as any in the ring is another surface,
or another distance from the camera's focus."""
_LEAST_SHARE = 1.0  # of the hole's area that must be left to copy from, or nothing is foreign


def fine_detail(
    image: NDArray[np.uint8], known: NDArray[np.bool_], sigma: float
) -> NDArray[np.float32]:
    """Measure how strong the detail is that a blur of `sigma` px takes away.

    Args:
        image: UINT8 [H, W, 3].
        known: [H, W].
        sigma: of the Gaussian, px.

    Returns:
        FLOAT32 [H, W]: the natural logarithm of its root mean square nearby, levels of 255.
    """
    luma = image.astype(np.float32).mean(2, keepdims=True)
    low, _ = blur_known(luma, known, sigma)
    energy, _ = blur_known((luma - low) ** 2, known, _NEIGHBOURHOOD)
    # 0.5 of 255 levels, what rounding leaves.
    return np.asarray(np.log(np.sqrt(energy[..., 0]) + 0.5), np.float32)


def foreign(
    details: list[NDArray[np.float32]],
    hole: NDArray[np.bool_],
    known: NDArray[np.bool_],
    width: float,
) -> NDArray[np.bool_]:
    """Mark the known surroundings whose fine detail is unlike that of the ring around the hole.

    Seen small, trees out of focus look like leaves on a lawn; at full size their detail tells.

    Args:
        details: [H, W] each, as `fine_detail` gives them at full size.
        hole: [H, W].
        known: [H, W].
        width: of the hole, px.

    Returns:
        [H, W], a part of `known`; empty where too little else would be left.
    """
    ring = known & (raster.distance_to(hole) <= max(_LEAST_RING, _RING * width))
    unlike = np.zeros_like(known)
    if not ring.any():
        return unlike
    for detail in details:
        least, most = np.percentile(detail[ring], _QUANTILES)
        unlike |= known & ((detail < least - _TOLERANCE) | (detail > most + _TOLERANCE))
    left = np.count_nonzero(known & ~unlike)
    return unlike if left >= _LEAST_SHARE * np.count_nonzero(hole) else np.zeros_like(known)
