"""The public photos that packages ship, and the faces in them, boxed by hand."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

BOXES = tomllib.loads(Path(__file__).with_name("boxes.toml").read_text("utf-8"))


@cache
def t1() -> NDArray[np.uint8]:
    """Six people at a table, UINT8 [886, 1280, 3]."""
    with resources.as_file(resources.files("insightface") / "data" / "images" / "t1.jpg") as path:
        return np.asarray(Image.open(path).convert("RGB"))


@cache
def astronaut() -> NDArray[np.uint8]:
    """One person, UINT8 [512, 512, 3]."""
    return np.asarray(data.astronaut(), np.uint8)


PHOTOS = {"t1": t1, "astronaut": astronaut}


def boxes_by_hand(name: str) -> NDArray[np.float64]:
    """[K, 4], x0, y0, x1, y1 in px."""
    return np.array(BOXES[name]["boxes"], float)


def overlap(first: NDArray, second: NDArray) -> float:
    """Intersection over union of two boxes."""
    start, end = np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])
    both = np.prod(np.clip(end - start, 0, None))
    return float(both / (np.prod(first[2:] - first[:2]) + np.prod(second[2:] - second[:2]) - both))
