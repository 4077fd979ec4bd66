"""What changes slowly over a scene and tells patches apart: its light and its focus."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pawfect.fill import raster
from pawfect.fill.level import Level
from pawfect.fill.tone import smooth_field

_WAVELENGTH = 1.2  # of the hole's width: what is slower is light, what is faster is texture
_LEAST_WAVELENGTH = 12.0  # px
_EVEN_LIGHT = 4.0
"""Levels of 255, root mean square: light that varies less is below what a patch's grain hides."""
_EVEN_FOCUS = 0.4
"""Natural logarithm, root mean square: contrast that varies less than by half is texture."""
_GUIDE_PER_E = 0.25  # of the guide's period, for contrast e times as strong


def light(level: Level) -> NDArray[np.float32]:
    """Draw the light on a level, hole included, FLOAT32 [H, W, 3], as a departure from grey."""
    field = smooth_field(level.image.astype(np.float32), level.known, wavelength(level.hole_width))
    return field - np.float32(128)


def guide(level: Level) -> NDArray[np.float32]:
    """Turn the focus into a guide for patches, FLOAT32 [H, W], 0 to under 0.5.

    Texture fades where the scene goes out of focus or away from the camera; a patch from
    elsewhere in that slope is too sharp or too soft.
    """
    least = level.focus.min()
    return np.asarray(np.clip((level.focus - least) * _GUIDE_PER_E, 0, 0.499), np.float32)


def light_is_even(level: Level) -> bool:
    """Tell whether taking the light away would change nothing."""
    return float(light(level)[_seen(level)].std(0).mean()) < _EVEN_LIGHT


def focus_is_even(level: Level) -> bool:
    """Tell whether texture is as strong everywhere."""
    return float(level.focus[_seen(level)].std()) < _EVEN_FOCUS


def under_even_light(level: Level, field: NDArray[np.float32]) -> Level:
    """Take the light away."""
    return replace(level, image=raster.to_pixels(level.image - field))


def _seen(level: Level) -> NDArray[np.bool_]:
    return ~level.banned


def wavelength(hole_width: float) -> float:
    """Say, in px, what is slow beside a hole this wide."""
    return max(_LEAST_WAVELENGTH, _WAVELENGTH * hole_width)


def heights(level: Level) -> NDArray[np.float32]:
    """Turn the height in the picture into a guide for patches, FLOAT32 [H, W], 0 to under 0.5."""
    rows = np.linspace(0, 0.45, level.shape[0], dtype=np.float32)
    return np.ascontiguousarray(np.broadcast_to(rows[:, None], level.shape))
