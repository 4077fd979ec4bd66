"""What the measured letters stand on: plates of wood, paint, metal, cloth, slate and glaze."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Plate = NDArray[np.float32]
Ground = Callable[[int, int, np.random.Generator], Plate]


def _noise(
    height: int, width: int, sigma: tuple[float, float], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return smooth noise [height, width] of mean 0 and deviation 1; sigma in px, x and y."""
    plane = cv2.GaussianBlur(
        rng.standard_normal((height, width), np.float32), (0, 0), sigma[0], sigmaY=sigma[1]
    )
    return np.asarray((plane - plane.mean()) / (plane.std() + 1e-6), np.float32)


def _flat(height: int, width: int, colour: tuple[float, ...]) -> Plate:
    return np.full((height, width, 3), colour, np.float32)


def _shaded(plate: Plate, rng: np.random.Generator, depth: float) -> Plate:
    """Let light fall off across a plate."""
    height, width = plate.shape[:2]
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:height, :width]
    ramp = (x / width - 0.5) * np.cos(angle) + (y / height - 0.5) * np.sin(angle)
    return np.asarray(plate * (1 + depth * ramp[..., None]), np.float32)


def wood(height: int, width: int, rng: np.random.Generator) -> Plate:
    """Draw planks with a grain along them."""
    base = ((150, 105, 65), (185, 150, 110), (110, 75, 50))[rng.integers(3)]
    grain = 9 * _noise(height, width, (60, 1.2), rng) + 6 * _noise(height, width, (120, 5), rng)
    plate = _flat(height, width, base) + grain[..., None] * np.array((1, 0.85, 0.65), np.float32)
    return _shaded(plate, rng, 0.25)


def paint(height: int, width: int, rng: np.random.Generator) -> Plate:
    """Draw a painted board."""
    colours = ((200, 60, 50), (40, 90, 150), (240, 235, 220), (60, 120, 80), (250, 205, 60))
    plate = _flat(height, width, colours[rng.integers(5)])
    plate += 2.5 * _noise(height, width, (25, 25), rng)[..., None]
    return _shaded(plate, rng, 0.3)


def metal(height: int, width: int, rng: np.random.Generator) -> Plate:
    """Draw a brushed tag with a highlight."""
    colours = ((185, 187, 192), (205, 175, 110), (175, 125, 95))
    plate = _flat(height, width, colours[rng.integers(3)])
    plate += 5 * _noise(height, width, (40, 0.8), rng)[..., None]
    y, x = np.mgrid[:height, :width]
    at = rng.uniform(0.2, 0.8) * width
    light = np.exp(-(((x - at + 0.3 * y) / (0.35 * width)) ** 2))
    return np.asarray(plate + 35 * light[..., None], np.float32)


def glaze(height: int, width: int, rng: np.random.Generator) -> Plate:
    """Draw a mug's side: round, so darker towards its edges."""
    colours = ((245, 243, 238), (60, 110, 120), (225, 180, 170), (45, 45, 55))
    plate = _flat(height, width, colours[rng.integers(4)])
    x = np.linspace(-1, 1, width, dtype=np.float32)
    round_off = 1 - 0.38 * np.abs(x - rng.uniform(-0.4, 0.4)) ** 2
    plate = plate * round_off[None, :, None]
    return np.asarray(plate + 1.0 * _noise(height, width, (8, 8), rng)[..., None], np.float32)


def cloth(height: int, width: int, rng: np.random.Generator) -> Plate:
    """Draw a woven bandana."""
    colours = ((170, 50, 60), (60, 70, 120), (210, 205, 190), (90, 120, 90))
    plate = _flat(height, width, colours[rng.integers(4)])
    weave = 5 * _noise(height, width, (6, 1.2), rng) + 5 * _noise(height, width, (1.2, 6), rng)
    folds = 9 * _noise(height, width, (90, 60), rng)
    return np.asarray(plate + (weave + folds)[..., None], np.float32)


def slate(height: int, width: int, rng: np.random.Generator) -> Plate:
    """Draw a chalkboard, wiped."""
    plate = _flat(height, width, (52, 56, 54))
    smear = 6 * _noise(height, width, (50, 25), rng) + 3 * _noise(height, width, (2, 2), rng)
    return np.asarray(plate + smear[..., None], np.float32)


GROUNDS: Final[dict[str, Ground]] = {
    "wood": wood,
    "paint": paint,
    "metal": metal,
    "glaze": glaze,
    "cloth": cloth,
    "slate": slate,
}
# What kind of thing has which ground.
THINGS: Final = {
    "sign": ("wood", "paint", "slate"),
    "tag": ("metal", "paint", "cloth"),
    "mug": ("glaze", "glaze", "glaze"),
}
