"""A drawn figure before a lawn, which every network takes for the subject."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np


def standing(height: int = 80, width: int = 96) -> tuple[Any, Any]:
    """Return the photo, UINT8 [H, W, 3], and where the figure stands, UINT8 [H, W], 255."""
    rng = np.random.default_rng(0)
    figure = np.zeros((height, width), np.uint8)
    cv2.ellipse(figure, (width // 2, height // 2), (width // 5, height // 4), 0, 0, 360, 255, -1)
    cv2.circle(figure, (width // 2, height // 4), height // 8, 255, -1)
    photo = np.where(figure[:, :, None] > 0, (200, 150, 90), (60, 110, 50))
    photo = photo + rng.normal(0, 6, photo.shape)
    return np.clip(photo, 0, 255).astype(np.uint8), figure


def share_in_common(alpha: Any, figure: Any) -> float:
    """Return the intersection over the union of what alpha and the figure cover by half or more."""
    cut, there = alpha > 127, figure > 127
    return float((cut & there).sum() / (cut | there).sum())
