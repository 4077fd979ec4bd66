"""Coarse to fine: where each pixel of a hole comes from.

Completion by coherent patches (Wexler, Shechtman and Irani, PAMI 2007) with the search of
PatchMatch (Barnes et al., SIGGRAPH 2009): every pixel of the hole has a source; in turns better
sources are looked for and the patches vote on the pixels they cover. Texture is voted like colour.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.patch import core
from pawfect.patch.expected import SLIM, Expected
from pawfect.patch.features import pyramid
from pawfect.patch.repeats import repeated
from pawfect.patch.search import Search, depths, gaussian, positions
from pawfect.picture import raster
from pawfect.stop import Stop, look

PASSES: Final = (14, 5, 3, 2)
"""Searches and votes, from the coarsest level to the finest."""
BEGUN_SIDE: Final = 54.0
"""px, the most: side of the hole on the level where its texture is begun, guided by coarser ones.
Half of it halves the time and costs 0.014 ST-LPIPS on photos."""
SEAM_SIGMA: Final = 0.45  # px, of the last blend across seams between copies
_SEAM: Final = gaussian(1, SEAM_SIGMA)
_STRIDE: Final = 1_000_003  # between the levels' seeds


def complete(
    image: NDArray[np.uint8],
    hole: NDArray[np.bool_],
    banned: NDArray[np.bool_],
    seed: int,
    stop: Stop,
    drawing: NDArray[np.uint8] | None = None,
) -> tuple[NDArray[np.int32], NDArray[np.float64]] | None:
    """Find a source for each pixel of a hole, and copy from there.

    Args:
        image: UINT8 [H, W, 3] RGB.
        hole: [H, W], at least one pixel.
        banned: [H, W], neither copied from nor compared with.
        seed: 0 to 2**63 - 1.
        stop: looked at every 0.1 s or so.
        drawing: UINT8 [H, W, 3] RGB, what all of the picture is to look like from afar, or None.

    Returns:
        INT32 [H, W], the flat index of each hole pixel's source, else -1; and the colours there,
        FLOAT64 [N, 3] in reading order. None where nothing can be copied.

    Raises:
        PawfectError: CANCELLED, since `stop` said so.
    """
    look(stop)
    ys, xs = positions(hole)
    source = repeated(image, hole, ~hole & ~banned)
    if source is not None:
        return source, core.copied(image, ys, xs, source, _SEAM)
    look(stop)
    lab = raster.to_lab_bytes(image)
    levels = pyramid(lab, hole, banned, stop)
    if not levels[0].allowed.any():
        return None
    begun = sum(level.side > BEGUN_SIDE for level in levels)
    begun = min(max(begun, 1), len(levels) - 1)
    depth = int(depths(hole).max())
    expected = Expected(lab, hole, levels, begun, drawing, stop, depth=depth)
    rough: NDArray[np.int16] | None = None
    coarser: NDArray[np.int32] | None = None
    for number in reversed(range(expected.levels)):
        look(stop)
        own_seed = (seed + _STRIDE * number) % 2**63
        search = Search(levels[number], expected.cost(number), own_seed, stop, rim=depth > SLIM)
        if coarser is None or number == begun:
            search.begin(expected.at_begin(number, rough))
        else:
            search.carry_up(coarser, expected.drawn(number))
        passes = PASSES[min(max(0, begun - number), len(PASSES) - 1)]
        search.refine(passes, thorough=number >= begun)
        coarser = search.source
        if number > begun:
            rough = search.settle()
    assert coarser is not None
    look(stop)
    source = np.where(hole, coarser, np.int32(-1))
    return source, core.copied(image, ys, xs, source, _SEAM)
