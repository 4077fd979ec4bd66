"""Photos for the page, as files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.lawn import lawn
from tests.subject import standing

WIDTH, HEIGHT = 360, 270
Point = tuple[float, float]


def example_photo(path: Path) -> Path:
    """Write a small photo of a figure on a lawn; return its path."""
    photo, _ = standing(HEIGHT, WIDTH)
    Image.fromarray(photo).save(path, quality=95)
    return path


def large_photo(path: Path, width: int = 4000, height: int = 3000) -> Path:
    """Write a lawn of 12 MP; return its path."""
    Image.fromarray(lawn(height, width)).save(path, quality=85)
    return path


def pixels(file: bytes) -> Any:
    """Return a file's pixels as they are stored, UINT8 [H, W] or [H, W, C]."""
    with Image.open(io.BytesIO(file)) as image:
        return np.array(image)


def stroke_of(size: tuple[int, int], diameter: float, points: Sequence[Point]) -> Any:
    """Return a brush's stroke by the distance to its line, bool [H, W].

    Args:
        size: width and height, px.
        diameter: of the brush, px.
        points: the corners of its line, px.
    """
    y, x = np.mgrid[: size[1], : size[0]] + 0.5
    away = np.full(x.shape, np.inf)
    for (x0, y0), (x1, y1) in pairwise(points):
        dx, dy = x1 - x0, y1 - y0
        along = np.clip(((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy), 0, 1)
        away = np.minimum(away, np.hypot(x - x0 - along * dx, y - y0 - along * dy))
    return away <= diameter / 2


def in_common(one: Any, other: Any) -> float:
    """Return the intersection over the union of two masks, bool [H, W]."""
    return float((one & other).sum() / (one | other).sum())
