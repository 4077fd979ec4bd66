"""The CPU fill engine: patches for detail, a smooth field for tone, and a choice between fills."""

import numpy as np
from numpy.typing import NDArray

from pawfect.patch.engine import FillResult, fill_with_choice

__all__ = ["FillResult", "fill_with_choice", "patch_fill"]


def patch_fill(
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    *,
    protect: NDArray[np.uint8] | None = None,
    seed: int = 0,
    working_px: int | None = None,
) -> NDArray[np.uint8]:
    """Fill the masked area of a window so that it continues what lies around it.

    Args:
        image: UINT8 [H, W, 3] RGB, 0-255.
        mask: UINT8 [H, W], >= 128 is filled, the rest kept bit for bit.
        protect: UINT8 [H, W], >= 128 is kept and neither copied from nor matched in colour.
        seed: 0 to 2**63 - 1. The same arguments give the same pixels.
        working_px: longest side, px, at which it is filled; None: its own.

    Returns:
        UINT8 [H, W, 3] RGB.

    Raises:
        ValueError: a shape, dtype or number is not as above.
    """
    return fill_with_choice(image, mask, protect=protect, seed=seed, working_px=working_px).image
