"""Smooth colour fields: spanned across a hole from what lies around it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.picture import raster

_CROSS = np.array([[0, 0.25, 0], [0.25, 0, 0.25], [0, 0.25, 0]], np.float32)
_COARSEST = 6  # px: a grid this small is relaxed to convergence outright
_COARSEST_SWEEPS = 80
_SWEEPS = 24  # per level; the level below leaves only errors of a few px, which these remove
_LARGE = 1_000_000  # px: from here on a level's error is far below one pixel of the photo's grain
_LARGE_SWEEPS = 6

_CELLS = 8  # cells per wavelength of a smooth field: its bends are drawn to within a percent
_STIFFNESS = np.float32((_CELLS / (2 * np.pi)) ** 4)
_TENSION = np.float32(0.25)
"""Of the plate beside its stiffness: it comes to rest within three cells of what holds it, where
an untensioned plate overshoots (splines in tension; Smith and Wessel, Geophysics 55, 1990)."""
_STEPS = 400
_RESIDUAL = 0.1  # levels of 255, root mean square, at which the solver stops

_RIM_SHARE = 0.04  # of the hole's side, between the bounds below
_RIM_SIGMA = (3.0, 8.0)
"""px: how far along and across the rim colours are averaged. 5 px on holes of 120 px halves the
step that patches leave; 3 px leaves a quarter more, 12 px flattens what the photo does there."""
_RIM_SUPPORT = 0.05

_SLOPE_SHARE = np.float32(0.35)
"""Of the slope across the rim that a fill goes on with. A picture's slope does not reach far into
a hole: to go on with all of it overshoots on the other side, with none of it leaves a faint line
along the rim of a steep one."""

_OUTLYING = 3.0  # times the median error: a seam of one texture keeps within it
_RELAYS = 2  # times a plate is laid again without what stands out of it


def membrane(values: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Span a soap film over the unknown pixels: the solution of Laplace's equation.

    A cascade of grids, coarse to fine, each relaxed from the one below (Bornemann and Deuflhard,
    "The cascadic multigrid method for elliptic problems", 1996). The window's border is free.

    Args:
        values: [H, W, C], read only where known.
        known: [H, W].

    Returns:
        [H, W, C]: `values` where known, the film elsewhere; zeros if nothing is known.
    """
    if not known.any():
        return np.zeros_like(values)
    weight = known.astype(np.float32)
    return _relaxed(np.where(known[..., None], values, np.float32(0)), weight)


def _relaxed(values: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Solve one level of the cascade, where a pixel of weight 0 is unknown."""
    unknown = (weight == 0)[..., None]
    if not unknown.any():
        return values
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
        start = raster.linear_resize(_relaxed(small, share[..., 0]), (height, width))
        sweeps = _SWEEPS if height * width < _LARGE else _LARGE_SWEEPS
    film = np.where(unknown, start, values).astype(np.float32)
    for _ in range(sweeps):
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


def fit_rim(
    filled: NDArray[np.uint8],
    hole: NDArray[np.bool_],
    trusted: NDArray[np.bool_],
    slope: NDArray[np.float32],
) -> NDArray[np.uint8]:
    """Shift the colours of a fill so that they meet those outside the rim.

    The difference between the mean colours just outside and just inside the rim is spanned over
    the hole as a membrane and added (Perez, Gangnet and Blake, "Poisson image editing", 2003,
    with band means in place of single pixels, which carry grain). The means lie some px apart:
    what the picture changes on the way, its slope, is taken off before they are compared.

    Args:
        filled: UINT8 [H, W, 3].
        hole: [H, W].
        trusted: [H, W], the pixels outside whose colour counts.
        slope: FLOAT32 [H, W, 3], the picture's smooth part, hole included.

    Returns:
        UINT8 [H, W, 3], equal to `filled` outside the hole.
    """
    if not hole.any():
        return filled
    least, most = _RIM_SIGMA
    sigma = float(np.clip(_RIM_SHARE * np.sqrt(np.count_nonzero(hole)), least, most))
    at = raster.surrounding(hole, round(3 * sigma))
    inside, colours = hole[at], filled[at].astype(np.float32)
    level = colours - _SLOPE_SHARE * slope[at]
    outer, outside = blur_known(level, trusted[at], sigma)
    inner, _ = blur_known(level, inside, sigma)
    rim = inside & (outside > _RIM_SUPPORT) & raster.grow(~inside, 1)
    if not rim.any():
        return filled
    step = outer - inner
    # An object that ends at the rim makes a step of its own, which is not the fill's to follow.
    most_step = _OUTLYING * np.median(np.abs(step[rim]), axis=0) + 1
    shift = membrane(np.clip(step, -most_step, most_step), rim)
    fitted = filled.copy()
    fitted[at] = np.where(inside[..., None], raster.to_pixels(colours + shift), filled[at])
    return fitted


def smooth_field(
    values: NDArray[np.float32], known: NDArray[np.bool_], wavelength: float
) -> NDArray[np.float32]:
    """Draw what varies more slowly than a wavelength, through the holes too.

    A thin plate laid on the known pixels (smoothing spline, Duchon 1977), solved by conjugate
    gradients on cells of an eighth of the wavelength. It goes through a hole with the slope it
    comes with, where a membrane would sag. Laid again with less weight where the picture stands
    far out of it (iteratively reweighted), it passes under the objects of a scene.

    Args:
        values: [H, W, C].
        known: [H, W], at least one pixel of it set.
        wavelength: px; of two that are as strong, half of this one's height is kept.

    Returns:
        FLOAT32 [H, W, C].
    """
    height, width = known.shape
    cell = max(1.0, wavelength / _CELLS)
    size = (min(height, max(3, round(height / cell))), min(width, max(3, round(width / cell))))
    share = known.astype(np.float32)[..., None]
    weight = raster.box_mean_resize(share, size)
    total = raster.box_mean_resize(values * share, size)
    cells = total / np.maximum(weight, 1e-6)
    covered = weight[..., 0] > 1e-6
    field = _plate(cells, weight, membrane(cells, covered))
    for _ in range(_RELAYS):
        error = np.abs(cells - field).max(-1)
        limit = _OUTLYING * np.median(error[covered]) + 1
        share_kept = np.minimum(1, (limit / np.maximum(error, 1e-6)) ** 2)[..., None]
        field = _plate(cells, weight * share_kept, field)
    return raster.cubic_resize(field, (height, width))


def _plate(
    cells: NDArray[np.float32], weight: NDArray[np.float32], start: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Bend a plate towards the cells by conjugate gradients, from a start near the answer."""
    total, field = weight * cells, start.copy()
    residual = total - weight * field - _STIFFNESS * _bending(field)
    direction, energy = residual.copy(), float((residual * residual).sum())
    for _ in range(_STEPS):
        if energy <= _RESIDUAL**2 * residual.size:
            break
        response = weight * direction + _STIFFNESS * _bending(direction)
        step = np.float32(energy / float((direction * response).sum()))
        field += step * direction
        residual -= step * response
        previous, energy = energy, float((residual * residual).sum())
        direction = residual + np.float32(energy / previous) * direction
    return field


def _bending(field: NDArray[np.float32]) -> NDArray[np.float32]:
    """Differentiate the energy of a bent and stretched plate with free edges."""
    force = np.zeros_like(field)
    for axis in (0, 1):
        stretch = _TENSION * np.diff(field, axis=axis)
        ahead = (slice(1, None), slice(None)) if axis == 0 else (slice(None), slice(1, None))
        behind = (slice(-1), slice(None)) if axis == 0 else (slice(None), slice(-1))
        force[ahead] += stretch
        force[behind] -= stretch
    bend = field[2:] - 2 * field[1:-1] + field[:-2]
    force[2:] += bend
    force[1:-1] -= 2 * bend
    force[:-2] += bend
    bend = field[:, 2:] - 2 * field[:, 1:-1] + field[:, :-2]
    force[:, 2:] += bend
    force[:, 1:-1] -= 2 * bend
    force[:, :-2] += bend
    twist = 2 * (field[1:, 1:] - field[1:, :-1] - field[:-1, 1:] + field[:-1, :-1])
    force[1:, 1:] += twist
    force[1:, :-1] -= twist
    force[:-1, 1:] -= twist
    force[:-1, :-1] += twist
    return force
