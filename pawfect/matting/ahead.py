"""The compile, ahead of the first cutout: at set-up, at image build, and when a model loads."""

from __future__ import annotations

from functools import cache

import numpy as np

from pawfect.matting.edges import refine, sharpness
from pawfect.matting.foreground import foreground

SIDE = 96  # px, larger than what is first looked at small


@cache
def compile_ahead() -> None:
    """Have the code of edges and colours compiled, or loaded from where it is kept.

    It takes some ten seconds where nothing is kept, else under one.
    """
    photo = np.random.default_rng(0).integers(0, 128, (SIDE, SIDE, 3), np.uint8)
    photo[:, SIDE // 2 :] += 100
    alpha = np.clip(np.arange(SIDE, dtype=np.float32)[None, :] - SIDE // 2, 0, 8) / np.float32(8)
    alpha = np.repeat(alpha, SIDE, 0)
    for mode in ("guided", "matting"):
        refine(photo, alpha, mode)
    foreground(photo, alpha)
    sharpness(alpha)
