"""Matting of what a network leaves between: closed form on a copy, laid on the photo."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.matting.closed_form import closed_form
from pawfect.matting.guided import LinearModel, applied, between, linear_model, trimap
from pawfect.picture import raster
from pawfect.stop import Stop, look, never

Floats = NDArray[np.float32]

# What is solved at once has at most so many px, of which so many are unknown: they bound the time
# (100 iterations of 200,000 unknowns take 1.1 s of a core) and the memory, whatever the photo.
COPY_PX: Final = 1_200_000
UNKNOWN_PX: Final = 200_000
# With 40 and 400 iterations gradient errors on the fur set were within 0.01.
ITERATIONS: Final = 100
# How strongly a pixel holds to the guided alpha that it starts from, where that is trusted: of 0,
# 0.01, 0.03, 0.1 and 1 this had the least SAD, gradient error and halo on the fur set.
_HOLD: Final = 0.01
# The fit that takes the solved alpha to the photo: windows of 5 px, and He's regularisation, small
# since nothing is to be smoothed (1e-3 raised the gradient error by a seventh).
_RADIUS: Final = 2
_EPSILON: Final = 1e-5


def matted(photo: NDArray[np.uint8], alpha: Floats, full: Floats, stop: Stop = never) -> None:
    """Find alpha between what is surely inside and surely outside.

    Args:
        photo: UINT8 [H, W, 3] RGB.
        alpha: FLOAT32 [h, w], 0 to 1, a network's, of the whole photo.
        full: FLOAT32 [H, W], the same at the photo's size; changed in place where it is unknown.
        stop: says whether the answer is waited for.

    Raises:
        PawfectError: CANCELLED.
    """
    small = trimap(photo, alpha)
    planes = between(small)
    look(stop)
    share = 1 - float(np.mean(small.inside | small.outside))
    known = trimap(photo, alpha, _longest(full.shape, share))
    unknown = ~(known.inside | known.outside)
    start = known.alpha.copy()
    guide = np.rint(known.guide * np.float32(255)).astype(np.uint8)
    applied(guide, planes, start)
    start = np.where(unknown, start, known.inside).astype(np.float32)
    size = known.guide.shape[0], known.guide.shape[1]
    trust = raster.linear_resize(np.ascontiguousarray(planes[..., 4]), size)
    hold = trust * np.float32(_HOLD)
    solved = closed_form(known.guide, start, unknown, hold, ITERATIONS, stop)
    look(stop)
    if solved.shape == full.shape:
        np.copyto(full, solved, where=unknown)
        return
    model = linear_model(known.guide, solved, np.ones_like(solved), _RADIUS, _EPSILON)
    applied(photo, _planes(model, unknown), full)


def _longest(size: tuple[int, ...], share: float) -> int:
    """Return the longer side, px, at which a photo of `size` keeps to the bounds."""
    pixels = size[0] * size[1]
    within = min(COPY_PX / pixels, UNKNOWN_PX / max(share * pixels, 1.0), 1.0)
    return max(1, int(max(size) * within**0.5))


def _planes(model: LinearModel, where: NDArray[np.bool_]) -> Floats:
    planes = np.dstack([model.slope, model.offset, where])
    return np.ascontiguousarray(planes, np.float32)
