"""The compile, ahead of the first fill: at set-up, at image build, and when a model loads."""

import numpy as np

from pawfect.patch.engine import fill

SIDE = 128  # px, and a hole of a third of it: two levels of search, and a coarse grid of tone


def compile_ahead() -> None:
    """Have all of the fill's code compiled, or loaded from where it is kept.

    It takes some ten seconds where nothing is kept, else under one. The fill is of noise on a
    slope: in a picture that repeats the search is not needed, and on several grounds nothing is
    foreign, and neither would be compiled.
    """
    noise = np.random.default_rng(0).integers(0, 128, (SIDE, SIDE, 3), np.uint8)
    image = noise + np.arange(SIDE, dtype=np.uint8)[:, None, None]
    hole = np.zeros((SIDE, SIDE), np.uint8)
    hole[SIDE // 3 : 2 * SIDE // 3, SIDE // 3 : 2 * SIDE // 3] = 255
    fill(image, hole)
