"""Light and camera: linear light, noise fields, lens blur, and the sensor's grain."""

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[np.uint8]
Field: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.uint8]
# numpy promises that this generator's stream never changes (NEP 19), which the newer one does not;
# the set's digest rests on it.
Random: TypeAlias = np.random.RandomState

# Luma of Rec. 709, the primaries of sRGB.
LUMA = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)


def to_linear(pixels: Pixels) -> Field:
    """Turn sRGB into linear light.

    Args:
        pixels: UINT8, any shape, sRGB-encoded (IEC 61966-2-1).

    Returns:
        FP32 of the same shape, 0 to 1, proportional to light.
    """
    levels = np.arange(256) / 255.0
    table = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return table.astype(np.float32)[pixels]


def to_srgb(light: Field) -> Pixels:
    """Turn linear light into sRGB pixels.

    Args:
        light: FP32, any shape; values outside 0 to 1 are clipped, as a sensor clips them.

    Returns:
        UINT8 of the same shape.
    """
    clipped = np.clip(light.astype(np.float64), 0.0, 1.0)
    curve = np.where(clipped <= 0.0031308, clipped * 12.92, 1.055 * clipped ** (1 / 2.4) - 0.055)
    return np.asarray(np.round(curve * 255.0), np.uint8)


def octaves(
    rng: Random, shape: tuple[int, int], coarsest: float, count: int, fall: float = 0.5
) -> Field:
    """Sum noise of halving scale: the clouds, stains and patches of real surfaces.

    Args:
        rng: source of randomness.
        shape: (H, W) in px.
        coarsest: size of the largest blobs, px.
        count: number of scales, each half as coarse as the one before.
        fall: amplitude of each scale as a part of the one before.

    Returns:
        FP32 [H,W] of mean 0 and standard deviation 1.
    """
    height, width = shape
    total = np.zeros(shape, np.float32)
    for octave in range(count):
        step = max(coarsest / 2**octave, 1.0)
        grid = (int(np.ceil(height / step)) + 3, int(np.ceil(width / step)) + 3)
        blobs = rng.standard_normal(grid).astype(np.float32)
        size = (int(grid[1] * step), int(grid[0] * step))
        fine = cv2.resize(blobs, size, interpolation=cv2.INTER_CUBIC)
        total += fall**octave * fine[:height, :width]
    total -= total.mean()
    return np.asarray(total / total.std(), np.float32)


def blur(light: Field, sigma: float) -> Field:
    """Blur with a Gaussian of `sigma` px: a lens that is sharp, but not infinitely so."""
    return cv2.GaussianBlur(light, (0, 0), sigma, borderType=cv2.BORDER_REFLECT).astype(np.float32)


def disc_blur(light: Field, radius: float) -> Field:
    """Blur as an open aperture does: the mean over a disc, in linear light.

    Args:
        light: FP32 [H,W,3] linear light; bright points become discs only if they are linear.
        radius: radius of the circle of confusion, px.

    Returns:
        FP32 [H,W,3].
    """
    reach = int(np.ceil(radius)) + 1
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    disc = np.clip(radius + 0.5 - np.hypot(rows, columns), 0.0, 1.0)
    kernel = disc / disc.sum()
    return cv2.filter2D(light, -1, kernel, borderType=cv2.BORDER_REFLECT).astype(np.float32)


def sensor_noise(rng: Random, light: Field, grain: float) -> Field:
    """Add what a sensor adds: photon noise that grows with the root of light, and read noise.

    The noise is softened by half a pixel or so, as demosaicing leaves it, and partly shared by
    the three colours, as a camera's chroma denoising leaves it.

    Args:
        rng: source of randomness.
        light: FP32 [H,W,3] linear light.
        grain: strength; 1 is about ISO 800 of a phone (1.5 to 2 of 255 in the mid-tones).

    Returns:
        FP32 [H,W,3] linear light with noise, not clipped.
    """
    shape = light.shape
    shared = rng.standard_normal(shape[:2]).astype(np.float32)[..., None]
    own = rng.standard_normal(shape).astype(np.float32)
    noise = blur(0.8 * shared + 0.6 * own, 0.6) * 2.0
    strength = grain * np.sqrt(2e-5 * np.clip(light, 0.0, None) + 1e-7) * 3.0
    return np.asarray(light + noise * strength, np.float32)


def develop(rng: Random, light: Field, grain: float = 1.0) -> Pixels:
    """Take the picture: sensor noise, clipping, sRGB. UINT8 [H,W,3] from FP32 linear light."""
    return to_srgb(sensor_noise(rng, light, grain))


def colour(red: int, green: int, blue: int) -> Field:
    """Give an sRGB colour (0 to 255 each) as FP32 [3] of linear light."""
    return to_linear(np.array([red, green, blue], dtype=np.uint8))


def mix(weight: Field, low: Field, high: Field) -> Field:
    """Blend two colours, FP32 [3] or [H,W,3], by a weight FP32 [H,W] that is clipped to 0..1."""
    share = np.clip(weight, 0.0, 1.0)[..., None]
    return (low * (1 - share) + high * share).astype(np.float32)


def smoothstep(values: Field, low: float, high: float) -> Field:
    """Rise from 0 at `low` to 1 at `high` without a corner."""
    t = np.clip((values - low) / (high - low), 0.0, 1.0)
    return (t * t * (3 - 2 * t)).astype(np.float32)
