"""What the fur set's subjects stand before: drawn, or a photo of `perf/data`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from perf.scenes import load_scene

Floats = NDArray[np.float32]
# Scenes whose truth is a photo without a subject.
_PHOTOS: Final = ("camera_lawn_hand", "china_trees_hand", "coffee_table_toy")


def background_of(
    kind: str, rng: np.random.Generator, size: tuple[int, int], coat: Floats
) -> Floats:
    """Return a background as FLOAT32 [H, W, 3] RGB, 0 to 255.

    Args:
        kind: one of BACKGROUNDS.
        rng: what it is drawn with.
        size: height and width, px.
        coat: FLOAT32 [3], the colour of the fur before it.
    """
    return np.clip(_DRAWN[kind](rng, size, coat), 0, 255)


def blurred(values: Floats, sigma: float, down: float | None = None) -> Floats:
    """Blur FLOAT32 [H, W] or [H, W, C] by a Gaussian of `sigma` px, and `down` px vertically."""
    blur = cv2.GaussianBlur(values, (0, 0), sigmaX=sigma, sigmaY=down or sigma)
    return np.asarray(blur, np.float32)


def _clouds(rng: np.random.Generator, size: tuple[int, int], cells: int) -> Floats:
    """Return smooth noise FLOAT32 [H, W], some -2 to 2, with `cells` lumps along the height."""
    height, width = size
    grid = rng.standard_normal((cells, max(2, cells * width // height)), np.float32)
    return np.asarray(cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC))


def _grass(rng: np.random.Generator, size: tuple[int, int], coat: Floats) -> Floats:
    height, _ = size
    noise = rng.standard_normal(size, np.float32)
    blades = blurred(noise, height / 800, height / 90)
    blades /= blades.std()
    shade = 1 + 0.28 * blades + 0.12 * _clouds(rng, size, 5)
    return np.asarray(shade[..., None] * np.array((92, 122, 58), np.float32))


def _bokeh(rng: np.random.Generator, size: tuple[int, int], coat: Floats) -> Floats:
    # Out of focus: a quarter of the size is enough.
    height, width = size[0] // 4, size[1] // 4
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = rng.uniform(30, 90, 3)
    for _ in range(60):
        place = (int(rng.integers(width)), int(rng.integers(height)))
        colour = rng.uniform(40, 255, 3).tolist()
        disc = picture.copy()
        cv2.circle(disc, place, round(height * rng.uniform(0.02, 0.08)), colour, -1)
        cv2.addWeighted(disc, 0.5, picture, 0.5, 0, dst=picture)
    soft = blurred(picture, max(height / 160, 0.5))
    return np.asarray(cv2.resize(soft, size[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def _sky(rng: np.random.Generator, size: tuple[int, int], coat: Floats) -> Floats:
    top, bottom = np.array((96, 140, 196), np.float32), np.array((206, 218, 228), np.float32)
    down = np.linspace(0, 1, size[0], dtype=np.float32)[:, None, None]
    return top + (bottom - top) * down + 8 * _clouds(rng, size, 4)[..., None]


def _tiles(rng: np.random.Generator, size: tuple[int, int], coat: Floats) -> Floats:
    height, _ = size
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
    turn = float(rng.uniform(0.1, 0.6))
    side = height / 9
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    joint = (along % side < side * 0.06) | (across % side < side * 0.06)
    check = ((along // side + across // side) % 2).astype(np.float32)
    picture = 120 + 60 * check + 10 * _clouds(rng, size, 40)
    picture = np.where(joint, 60, picture).astype(np.float32)
    tint = np.array((1.05, 0.95, 0.85), np.float32)
    return blurred(picture[..., None] * tint, height / 1000)


def _similar(rng: np.random.Generator, size: tuple[int, int], coat: Floats) -> Floats:
    """Return cloth of nearly the fur's colour."""
    shade = 1 + 0.05 * _clouds(rng, size, 120) + 0.05 * _clouds(rng, size, 6)
    away = np.where(coat.mean() > 128, -32, 32) + rng.uniform(-6, 6, 3)
    return np.asarray(shade[..., None] * (coat + away), np.float32)


def _photo(rng: np.random.Generator, size: tuple[int, int], coat: Floats) -> Floats:
    truth = load_scene(_PHOTOS[int(rng.integers(len(_PHOTOS)))]).truth
    return cv2.resize(truth, size[::-1], interpolation=cv2.INTER_CUBIC).astype(np.float32)


_Draw = Callable[[np.random.Generator, tuple[int, int], Floats], Floats]
_DRAWN: Final[dict[str, _Draw]] = {
    "grass": _grass,
    "bokeh": _bokeh,
    "sky": _sky,
    "tiles": _tiles,
    "similar": _similar,
    "photo": _photo,
}
BACKGROUNDS: Final = tuple(_DRAWN)
