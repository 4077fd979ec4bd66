"""Textures with known properties, and masks over them."""

from __future__ import annotations

import cv2
import numpy as np

MAGENTA = (255, 0, 255)


def stones(height: int, width: int, seed: int = 0, size: float = 2.0) -> np.ndarray:
    """A texture with grains of some `size` px, of one mean tone all over."""
    noise = np.random.default_rng(seed).normal(0, 1, (height, width)).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), size)
    grey = 128 + 35 * noise / noise.std()
    return np.clip(grey[..., None] + np.array([12, 0, -15]), 0, 255).astype(np.uint8)


def slope(height: int, width: int, noise: float, seed: int = 0) -> np.ndarray:
    """A linear gradient with grain: 0.25 levels a px along each axis."""
    rows, columns = np.mgrid[:height, :width]
    clean = 60 + 0.25 * rows + 0.25 * columns
    grain = np.random.default_rng(seed).normal(0, noise, (height, width, 3))
    return np.clip(np.rint(clean[..., None] + grain), 0, 255).astype(np.uint8)


def box_mask(shape: tuple[int, ...], x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    mask = np.zeros(shape[:2], np.uint8)
    mask[y0:y1, x0:x1] = 255
    return mask


def hidden(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The image with something that must go under the mask."""
    return np.where((mask >= 128)[..., None], np.array(MAGENTA, np.uint8), image)


def has_magenta(pixels: np.ndarray) -> bool:
    wide = pixels.astype(int)
    return bool(((wide[..., 0] > 200) & (wide[..., 1] < 60) & (wide[..., 2] > 200)).any())


def square(size: int, low: int, high: int) -> np.ndarray:
    hole = np.zeros((size, size), np.bool_)
    hole[low:high, low:high] = True
    return hole
