"""A lawn and holes in it."""

from __future__ import annotations

import cv2
import numpy as np


def lawn(height: int, width: int, seed: int = 3) -> np.ndarray:
    """Coloured noise at three scales, UINT8 [H, W, 3]."""
    rng = np.random.default_rng(seed)
    image = np.zeros((height, width, 3), np.float32)
    for cells in (6, 40, 160):
        noise = rng.normal(0, 14, (cells, cells, 3)).astype(np.float32)
        image += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(image + (90, 130, 70), 0, 255).astype(np.uint8)


def holes(height: int, width: int, *boxes: tuple[int, int, int, int]) -> np.ndarray:
    """A mask with these boxes (x0, y0, x1, y1) to fill, UINT8 [H, W]."""
    mask = np.zeros((height, width), np.uint8)
    for x0, y0, x1, y1 in boxes:
        mask[y0:y1, x0:x1] = 255
    return mask
