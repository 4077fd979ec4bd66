"""How measurements show what was filled: in its place, or outlined on the photo."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

# Context of a crop, as a share of the holes' box and at least px: to judge a fill in its place.
CONTEXT: Final = 0.25
CONTEXT_PX: Final = 24
# A colour that shows on grass, sand and snow alike.
OUTLINE: Final = (255, 0, 200)


def view_of(hole: NDArray[np.uint8]) -> tuple[slice, slice]:
    """Return the rows and columns of all holes of a mask UINT8 [H, W], with some context."""
    x, y, width, height = cv2.boundingRect(hole)
    pad = max(round(CONTEXT * max(width, height)), CONTEXT_PX)
    return slice(max(y - pad, 0), y + height + pad), slice(max(x - pad, 0), x + width + pad)


def outlined(photo: NDArray[np.uint8], hole: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a copy of a photo UINT8 [H, W, 3] with a mask UINT8 [H, W] drawn as an outline."""
    marked = photo.copy()
    contours, _ = cv2.findContours(hole, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(marked, contours, -1, OUTLINE, max(1, photo.shape[1] // 320))
    return marked
