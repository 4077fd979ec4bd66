"""The compile, ahead of the first fill: at set-up, at image build, and when a model loads."""

import numpy as np

from pawfect.patch.engine import fill

SIDE = 128  # px, and a hole of a third of it: two levels of search, and a coarse grid of tone


def compile_ahead() -> None:
    """Have all of the fill's code compiled, or loaded from where it is kept.

    It takes some ten seconds where nothing is kept, else under one. The fill is of noise: in a
    picture that repeats the search is not needed, and would not be compiled.
    """
    image = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    hole = np.zeros((SIDE, SIDE), np.uint8)
    hole[SIDE // 3 : 2 * SIDE // 3, SIDE // 3 : 2 * SIDE // 3] = 255
    fill(image, hole)
