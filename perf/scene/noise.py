"""Seamless fractal noise, the source of every patch, stain and unevenness in the scene."""

import cv2
import numpy as np

from perf.scene.arrays import Floats, floats

RUN = 1024
"""Positions per row handed to OpenCV's remap, which takes at most 32767 columns or rows."""


def fractal_tile(rng: np.random.Generator, size: int = 512, slope: float = 1.6) -> Floats:
    """Make a seamless noise tile FLOAT32 [size, size], zero mean, unit deviation.

    White noise is shaped to an amplitude spectrum of 1/f^slope: 1 looks like gravel,
    2 like clouds.
    """
    spectrum = np.fft.rfft2(rng.standard_normal((size, size)))
    fy = np.fft.fftfreq(size)[:, None] * size
    fx = np.fft.rfftfreq(size)[None, :] * size
    frequency = np.sqrt(fx * fx + fy * fy)
    frequency[0, 0] = 1.0
    spectrum = spectrum / frequency**slope
    spectrum[0, 0] = 0.0
    tile = np.fft.irfft2(spectrum, s=(size, size))
    return floats(tile / tile.std())


def sample(tile: Floats, x: Floats, y: Floats, period: float) -> Floats:
    """Read a tile bilinearly at positions of any equal shape; it repeats every `period`."""
    size = tile.shape[0]
    count = x.size
    rows = -(-count // RUN)
    position = np.zeros((2, rows * RUN), np.float32)
    position[0, :count] = np.mod(x.reshape(-1) * (size / period), size)
    position[1, :count] = np.mod(y.reshape(-1) * (size / period), size)
    across, down = position.reshape(2, rows, RUN)
    read = cv2.remap(tile, across, down, cv2.INTER_LINEAR, None, cv2.BORDER_WRAP)
    return floats(read).reshape(-1)[:count].reshape(x.shape)


def soften(picture: Floats, sigma: float) -> Floats:
    """Blur a picture [H, W] or [H, W, C] with a Gaussian of `sigma` px; 0 leaves it alone."""
    if sigma <= 0.05:
        return picture
    return floats(cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REFLECT))
