"""A given drawing leads the search: its colours are matched beside the patches' own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.patch.core import halved
from pawfect.patch.features import Level, weighted
from pawfect.picture import raster

LED: Final = 0.7
"""Of the drawing's colours beside the patches' own, on the level where the fill is begun."""
FADING: Final = 0.7
"""From level to level towards the finest. With the truth as a drawing, shrunk to 128 px, 8 scenes
have 0.070 ST-LPIPS in place of 0.078, and are 11 levels off its colours in place of 20; led as
strongly on all levels they are 10 off, with less detail."""


def drawn_levels(levels: Sequence[Level], drawing: NDArray[np.uint8]) -> list[NDArray[np.int16]]:
    """Return what leads each level.

    Args:
        levels: fine to coarse, down to the one where the fill is begun.
        drawing: UINT8 [H, W, 3] RGB, of the finest level's size.

    Returns:
        INT16 [H, W, 3] for each, to be compared as features are.
    """
    colours, found = weighted(raster.to_lab_bytes(drawing)), []
    for number in range(len(levels)):
        if number:
            colours, _ = halved(colours, np.ones(colours.shape[:2], np.uint8))
        share = LED * FADING ** (len(levels) - 1 - number)
        found.append(np.rint(share * colours).astype(np.int16))
    return found
