"""How much of a fill shows a subject that its surroundings do not."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.picture import raster

# Width of the rim that is looked at, as a share of the hole's size, at least, px.
_RIM_SHARE: Final = 0.1
_LEAST_RIM_PX: Final = 3


def subject_share(subject: NDArray[np.bool_], hole: NDArray[np.bool_]) -> float:
    """Return the share of a fill that shows a subject which its rim does not.

    A pet that reaches the hole goes on in it: what hangs together with it counts only beyond the
    pet's own share of the rim. What lies in the fill by itself was invented.

    Args:
        subject: [h, w], what a network calls the subject of the photo with the fill.
        hole: [h, w], what was filled; not empty.

    Returns:
        0 to 1.
    """
    area = np.count_nonzero(hole)
    width = max(round(_RIM_SHARE * float(np.sqrt(area))), _LEAST_RIM_PX)
    rim = raster.grow(hole, width) & ~hole
    _, labels = cv2.connectedComponents(subject.astype(np.uint8), connectivity=8)
    outside = np.unique(labels[subject & ~hole])
    inside = subject & hole
    joined = inside & np.isin(labels, outside)
    alone = np.count_nonzero(inside & ~joined) / area
    usual = float(subject[rim].mean()) if rim.any() else 0.0
    return float(alone + max(np.count_nonzero(joined) / area - usual, 0.0))
