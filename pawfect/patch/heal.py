"""Seams between copies, healed: colours give way so that the copies' gradients can stay."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.patch.correspond import Correspondence
from pawfect.picture import raster

_REACH = 0.06  # of the hole's side, px, within the bounds below: how far a step is spread
_REACHES = (6.0, 32.0)
_COARSEST = 8  # px
_SWEEPS = 30  # of relaxation per scale
_AROUND = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32)
_STEPS = ((0, 1), (0, -1), (1, 0), (-1, 0))


def heal(
    image: NDArray[np.float32],
    hole: NDArray[np.bool_],
    known: NDArray[np.bool_],
    found: Correspondence,
) -> NDArray[np.float32]:
    """Reconcile a fill with the gradients of what it was copied from.

    Where two copies meet, and where one meets the rim, colours may step although neither source
    does. The fill is corrected by the field whose gradient is that mismatch, screened so that it
    fades within some px and a copy's own tone stays (screened Poisson; Bhat et al., "Fourier
    analysis of the 2D screened Poisson equation for gradient domain problems", ECCV 2008).

    Args:
        image: [H, W, 3], filled.
        hole: [H, W].
        known: [H, W], whose colours the fill has to meet.
        found: where each hole pixel was copied from; sources keep off the image's border.

    Returns:
        [H, W, 3], changed in the hole only.
    """
    at = raster.surrounding(hole, 1)
    inside, colours = hole[at], image[at]
    top, left = at[0].start, at[1].start
    rows, columns = np.divmod(found.targets, found.shape[1])
    places = np.zeros((*inside.shape, 2), np.int16)
    places[rows - top, columns - left] = np.stack([found.columns, found.rows], -1)
    source = raster.fetch(image, places)
    mismatch = np.zeros_like(colours)
    height, width = inside.shape
    for dy, dx in _STEPS:
        here = _part(dy, height), _part(dx, width)
        there = _part(-dy, height), _part(-dx, width)
        onward = raster.fetch(image, places + np.array([dx, dy], np.int16)) - source
        back = source - raster.fetch(image, places - np.array([dx, dy], np.int16))
        meets = inside[there][..., None]
        wanted = np.where(meets, (onward[here] + back[there]) / 2, onward[here])
        given = colours[there] - colours[here]
        counts = (inside[here] & (inside[there] | known[at][there]))[..., None]
        mismatch[here] += np.where(counts, wanted - given, np.float32(0))
    side = float(np.sqrt(np.count_nonzero(hole)))
    reach = float(np.clip(_REACH * side, *_REACHES))
    healed = image.copy()
    healed[at] += _screened(mismatch, inside, 1 / reach**2)
    return healed


def _part(step: int, size: int) -> slice:
    """Index the pixels of a line whose neighbour at this step lies on it too."""
    return slice(max(0, -step), size - max(0, step))


def _screened(
    mismatch: NDArray[np.float32], inside: NDArray[np.bool_], screen: float
) -> NDArray[np.float32]:
    """Solve (laplacian - screen) field = mismatch inside, with 0 outside: coarse to fine."""
    height, width = inside.shape
    field = np.zeros_like(mismatch)
    if min(height, width) > _COARSEST and screen < 1:
        size = ((height + 1) // 2, (width + 1) // 2)
        below = _screened(
            4 * raster.box_mean_resize(mismatch, size),
            raster.box_mean_resize(inside.astype(np.float32)[..., None], size)[..., 0] > 0.5,
            4 * screen,
        )
        field = raster.linear_resize(below, (height, width))
    share = inside.astype(np.float32)[..., None] / np.float32(4 + screen)
    for _ in range(_SWEEPS):
        around = raster.convolve(field, _AROUND, border=cv2.BORDER_REPLICATE)
        field = (around - mismatch) * share
    return field
