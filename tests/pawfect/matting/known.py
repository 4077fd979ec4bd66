"""A small picture of the fur set, as tests of edges share it."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from perf.matting import fur


@cache
def picture(seed: int = 1, size: tuple[int, int] = (240, 320)) -> fur.Fur:
    """Return one picture of the fur set, small."""
    return fur.make(seed, size)


def seen(alpha: NDArray[np.float32], side: int = 64) -> NDArray[np.float32]:
    """Return what a small network makes of alpha."""
    return fur.as_a_network_sees(alpha, side)
