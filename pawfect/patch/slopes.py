"""What changes slowly over a scene and tells patches apart: its light, and height in it."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pawfect.patch.level import Level
from pawfect.picture import raster
from pawfect.picture.tone import smooth_field

_WAVELENGTH = 1.2  # of the hole's width: what is slower is light, what is faster is texture
_LEAST_WAVELENGTH = 12.0  # px
_EVEN_LIGHT = 4.0
"""Levels of 255, root mean square: light that varies less is below what a patch's grain hides."""


def light(level: Level) -> NDArray[np.float32]:
    """Draw the light on a level, hole included, FLOAT32 [H, W, 3], as a departure from grey."""
    wavelength = max(_LEAST_WAVELENGTH, _WAVELENGTH * level.hole_width)
    field = smooth_field(level.image.astype(np.float32), level.known, wavelength)
    return field - np.float32(128)


def light_is_even(level: Level) -> bool:
    """Tell whether taking the light away would change nothing."""
    return float(light(level)[~level.banned].std(0).mean()) < _EVEN_LIGHT


def under_even_light(level: Level, field: NDArray[np.float32]) -> Level:
    """Take the light away."""
    return replace(level, image=raster.to_pixels(level.image - field))


def heights(level: Level) -> NDArray[np.float32]:
    """Turn the height in the picture into a guide for patches, FLOAT32 [H, W], 0 to under 0.5."""
    rows = np.linspace(0, 0.45, level.shape[0], dtype=np.float32)
    return np.ascontiguousarray(np.broadcast_to(rows[:, None], level.shape))
