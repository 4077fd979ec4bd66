"""Grain: a picture's finest detail, measured, and sampled anew with its spectrum and colour."""

import numpy as np
from numpy.typing import NDArray

from pawfect.picture import raster
from pawfect.picture.tone import blur_known
from pawfect.stop import Stop, look, never

SIGMA = 2.5  # px: what a blur of this width removes is grain or fine texture, 10 px and finer
_TEXTON = 25  # px: several wavelengths of the coarsest grain
_QUANTILES = (0.2, 0.4, 0.6)
"""Which textons are taken, by energy: not the calmest, and none that holds an edge."""

_NOISE_SIGMA = 1.0  # px: noise is finer than nearly all texture
_NOISE_AROUND = 6.0  # px, a Gaussian's sigma: over some 300 pixels a deviation is known to 5 %
_NOISE_QUANTILE = 0.2  # texture only adds to noise, so noise is read where there is least of both
MOST_NOISE = 6.0  # levels of 255: a phone at night; above it, it is texture that was measured


def residual(
    image: NDArray[np.uint8], known: NDArray[np.bool_], sigma: float = SIGMA
) -> NDArray[np.float32]:
    """Give what a blur over the known pixels takes away, FLOAT32 [H, W, 3]; 0 where not known."""
    colours = image.astype(np.float32)
    low, _ = blur_known(colours, known, sigma)
    return np.where(known[..., None], colours - low, np.float32(0))


def noise_level(image: NDArray[np.uint8], where: NDArray[np.bool_]) -> float:
    """Estimate the standard deviation of a picture's noise, levels of 255, from its calmest parts.

    Args:
        image: UINT8 [H, W, 3].
        where: [H, W], the pixels to look at.

    Returns:
        0 or more; 0 where there is nothing to look at.
    """
    if not where.any():
        return 0.0
    energy = (residual(image, where, _NOISE_SIGMA) ** 2).mean(2, keepdims=True)
    nearby, _ = blur_known(energy, where, _NOISE_AROUND)
    return float(np.sqrt(np.quantile(nearby[where], _NOISE_QUANTILE)))


def sample_grain(
    image: NDArray[np.uint8],
    ring: NDArray[np.bool_],
    shape: tuple[int, int],
    rng: np.random.Generator,
    *,
    sigma: float = SIGMA,
    stop: Stop = never,
) -> NDArray[np.float32]:
    """Draw new grain like that of a ring of pixels.

    White noise convolved with pieces of the ring's own residual: it has their spectrum and their
    correlation between channels (asymptotic discrete spot noise; Galerne, Gousseau and Morel,
    "Random phase textures", 2011).

    Args:
        image: UINT8 [H, W, 3].
        ring: [H, W], where to learn from.
        shape: height and width to fill, px.
        rng: drawn from in a fixed order.
        sigma: px, of the blur that parts grain from the picture.
        stop: looked at before each plane is drawn.

    Returns:
        FLOAT32 [height, width, 3], mean 0; zeros if the ring is empty.
    """
    if not ring.any():
        return np.zeros((*shape, 3), np.float32)
    detail = residual(image, ring, sigma)
    window = np.ones(_TEXTON, np.float32)
    share = raster.convolve_separable(ring.astype(np.float32), window, window)
    energy = raster.convolve_separable((detail**2).sum(2), window, window)
    centres = np.flatnonzero((share >= 0.9 * share.max()).ravel())
    mean_energy = (energy / np.maximum(share, 1)).ravel()[centres]
    centres = centres[np.argsort(mean_energy, kind="stable")]
    grain = np.zeros((*shape, 3), np.float32)
    reach = _TEXTON // 2
    padded = np.pad(detail, ((reach, reach), (reach, reach), (0, 0)))
    inside = np.pad(ring, reach)
    for quantile in _QUANTILES:
        y, x = divmod(int(centres[int(quantile * centres.size)]), image.shape[1])
        texton = padded[y : y + _TEXTON, x : x + _TEXTON]
        part = inside[y : y + _TEXTON, x : x + _TEXTON, None]
        texton = np.where(part, texton - texton.sum((0, 1)) / part.sum(), np.float32(0))
        texton /= np.float32(np.sqrt(part.sum() * len(_QUANTILES)))
        noise = rng.standard_normal(shape, np.float32)
        for channel in range(3):
            look(stop)
            grain[..., channel] += raster.convolve_wide(noise, texton[..., channel])
    return grain


def match_grain(
    filled: NDArray[np.uint8],
    image: NDArray[np.uint8],
    hole: NDArray[np.bool_],
    ring: NDArray[np.bool_],
    stop: Stop = never,
) -> NDArray[np.uint8]:
    """Add the noise that a regenerated window lacks beside the photo's; take none away.

    Args:
        filled: UINT8 [H, W, 3].
        image: UINT8 [H, W, 3], true on the ring.
        hole: [H, W], where the fill's noise is measured.
        ring: [H, W], where the photo's noise is measured and learned from.
        stop: looked at before each piece of work.

    Returns:
        UINT8 [H, W, 3]; the same arguments give the same noise.
    """
    present = noise_level(filled, hole)
    look(stop)
    wanted = min(noise_level(image, ring), MOST_NOISE)
    if wanted <= present:
        return filled
    rng = np.random.default_rng(0)
    shape = (hole.shape[0], hole.shape[1])
    grain = sample_grain(image, ring, shape, rng, sigma=1.0, stop=stop)
    look(stop)
    drawn = noise_level(raster.to_pixels(grain + np.float32(128)), np.ones_like(hole))
    lacking = float(np.sqrt(wanted**2 - present**2))
    return raster.to_pixels(filled + grain * np.float32(lacking / max(drawn, 0.1)))
