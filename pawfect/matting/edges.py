"""Alpha at a photo's full size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pawfect.picture import raster
from pawfect.stop import Stop, look, never


def refine(
    photo: NDArray[np.uint8], alpha: NDArray[np.float32], mode: str, stop: Stop = never
) -> NDArray[np.float32]:
    """Return alpha, FLOAT32 [h, w] 0-1, at the size of a photo, UINT8 [H, W, 3]: FLOAT32 [H, W]."""
    del mode
    look(stop)
    return raster.linear_resize(alpha, (photo.shape[0], photo.shape[1]))


def sharpness(alpha: NDArray[np.uint8]) -> float | None:
    """Return the largest step of alpha, UINT8 [H, W], between neighbours, 0 to 1."""
    return float(np.abs(np.diff(alpha.astype(np.int16), axis=1)).max()) / 255
