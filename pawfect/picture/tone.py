"""Colour without detail: films across a hole, and blurs over what is known."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.picture import raster
from pawfect.stop import Stop, look, never

_CROSS = np.array([[0, 0.25, 0], [0.25, 0, 0.25], [0, 0.25, 0]], np.float32)
_COARSEST = 6  # px: a grid this small is relaxed to convergence outright
_COARSEST_SWEEPS = 80
_SWEEPS = 24  # per level; the level below leaves only errors of a few px, which these remove
_LARGE = 1_000_000  # px: from here on a level's error is far below one pixel of the photo's grain
_LARGE_SWEEPS = 6


def membrane(
    values: NDArray[np.float32], known: NDArray[np.bool_], stop: Stop = never
) -> NDArray[np.float32]:
    """Span a soap film over the unknown pixels: the solution of Laplace's equation.

    A cascade of grids, coarse to fine, each relaxed from the one below (Bornemann and Deuflhard,
    "The cascadic multigrid method for elliptic problems", 1996). The window's border is free.

    Args:
        values: [H, W, C], read only where known.
        known: [H, W].
        stop: looked at before each sweep.

    Returns:
        [H, W, C]: `values` where known, the film elsewhere; zeros if nothing is known.
    """
    if not known.any():
        return np.zeros_like(values)
    weight = known.astype(np.float32)
    return _relaxed(np.where(known[..., None], values, np.float32(0)), weight, stop)


def _relaxed(
    values: NDArray[np.float32], weight: NDArray[np.float32], stop: Stop
) -> NDArray[np.float32]:
    """Solve one level of the cascade, where a pixel of weight 0 is unknown."""
    unknown = (weight == 0)[..., None]
    if not unknown.any():
        return values
    look(stop)
    height, width = weight.shape
    if max(height, width) <= _COARSEST:
        mean = (values * weight[..., None]).sum((0, 1)) / weight.sum()
        start = np.broadcast_to(mean, values.shape)
        sweeps = _COARSEST_SWEEPS
    else:
        size = ((height + 1) // 2, (width + 1) // 2)
        share = raster.box_mean_resize(weight[..., None], size)
        total = raster.box_mean_resize(values * weight[..., None], size)
        share[share < 1e-6] = 0
        small = np.where(share > 0, total / np.maximum(share, 1e-6), np.float32(0))
        start = raster.linear_resize(_relaxed(small, share[..., 0], stop), (height, width))
        sweeps = _SWEEPS if height * width < _LARGE else _LARGE_SWEEPS
    film = np.where(unknown, start, values).astype(np.float32)
    for _ in range(sweeps):
        look(stop)
        mean_of_four = raster.convolve(film, _CROSS, border=cv2.BORDER_REPLICATE)
        film = np.where(unknown, mean_of_four, values)
    return film


def blur_known(
    values: NDArray[np.float32], known: NDArray[np.bool_], sigma: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Blur over the known pixels alone (normalised convolution, Knutsson and Westin, 1993).

    Args:
        values: [H, W, C].
        known: [H, W].
        sigma: of the Gaussian, px.

    Returns:
        The means, [H, W, C], 0 where there is nothing to average; and their support, [H, W]: the
        share of the Gaussian that lies on known pixels, 0 to 1.
    """
    weight = known.astype(np.float32)
    support = raster.gaussian(weight, sigma)
    total = raster.gaussian(values * weight[..., None], sigma)
    mean = total / np.maximum(support, 1e-4)[..., None]
    return np.where(support[..., None] > 1e-4, mean, np.float32(0)), support
