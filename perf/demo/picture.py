"""The before/after picture of the demo."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

# A line that shows on grass, sand and snow alike.
OUTLINE_RGB = (255, 40, 200)
GAP_PX = 12


def before_after(
    photo: NDArray[np.uint8], mask: NDArray[np.uint8], result: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Return photo with the mask's outline and result, side by side.

    Args:
        photo: UINT8 [H, W, 3] RGB.
        mask: UINT8 [H, W], >= 128 = filled.
        result: UINT8 [H, W, 3] RGB.

    Returns:
        UINT8 [H, 2 W + GAP_PX, 3] RGB; stacked instead, [2 H + GAP_PX, W, 3], where the photo is
        wider than 3:2, so that both stay large on a screen.
    """
    before = photo.copy()
    marked = (mask >= 128).astype(np.uint8)
    contours, _ = cv2.findContours(marked, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    thickness = max(1, round(max(photo.shape[:2]) / 500))
    cv2.drawContours(before, contours, -1, OUTLINE_RGB, thickness, cv2.LINE_AA)
    stacked = photo.shape[1] > 1.5 * photo.shape[0]
    shape = list(photo.shape)
    shape[0 if stacked else 1] = GAP_PX
    gap = np.full(shape, 255, np.uint8)
    return np.concatenate([before, gap, result], axis=0 if stacked else 1)
