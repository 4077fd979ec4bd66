"""Where a fill is worst: what a local search will search anew."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.picture import raster
from pawfect.picture.tone import blur_known
from pawfect.scores import texture
from pawfect.scores.closeup import Closeup, closeup, groups
from pawfect.scores.seam import SEAM_SIGMA, step_map

# Of a hole's area: what is worst of it.
WORST_SHARE: Final = 1 / 3
# A fault's reach as a share of the hole's size, at least, px: specks are no part to search anew.
_REACH_SHARE: Final = 0.08
_LEAST_REACH_PX: Final = 3.0
# A seam's step counts as much as a texture that is off where it is so large, CIE76: the scale on
# which the judge halves it.
_SEAM_UNIT: Final = 8.0
_TEXTURE_UNIT: Final = 0.5
_TONE_UNIT: Final = 1.5
# Holes of fewer pixels have no third that is worth a search of its own.
_LEAST_PX: Final = 12


def worst_part(result: NDArray[np.uint8], hole: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the worst third of a fill, by its seam, texture, tone and sharpness where they are.

    Args:
        result: UINT8 [H, W, 3] RGB, the photo after.
        hole: UINT8 [H, W], 255 = filled.

    Returns:
        UINT8 [H, W], 255 in the worst third of each hole, smooth, in as few parts as the faults
        have; within the hole, and all of a hole of a few pixels; never empty where the hole is not.

    Raises:
        ValueError: sizes that differ, or nothing that was filled.
    """
    if result.shape != (*hole.shape, 3):
        raise ValueError(f"result: expected {[*hole.shape, 3]}, got {list(result.shape)}")
    filled = hole >= 128
    if not filled.any():
        raise ValueError("hole: expected something >= 128, got nothing")
    worst = np.zeros_like(filled)
    for box in groups(filled):
        close = closeup(result, result, filled, box)
        badness = cv2.resize(_badness(close), (box.width, box.height))
        worst[box.slices] = _worst(badness.astype(np.float32), filled[box.slices])
    return np.where(worst, np.uint8(255), np.uint8(0))
