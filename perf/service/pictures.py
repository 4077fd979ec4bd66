"""Small pictures to fill, for runs of hundreds of jobs."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import cv2
import numpy as np

from perf.scenes import Scene, load_scene

# Small, so that a fill takes well under a second and 200 of them minutes; width and height, px.
SIZE: Final = (320, 240)
# Different ones; sessions with the same one must get the same bytes.
PICTURES: Final = 10
HOLE_PX: Final = 22


def pictures() -> list[Scene]:
    """Cut pieces of the reference scene's ground, each with a round hole in its middle."""
    scene, rng, (width, height) = load_scene(), np.random.default_rng(0), SIZE
    mask = np.zeros((height, width), np.uint8)
    cv2.circle(mask, (width // 2, height // 2), HOLE_PX, [255], cv2.FILLED)
    made = []
    for _ in range(PICTURES):
        top = int(rng.integers(scene.photo.shape[0] // 2, scene.photo.shape[0] - height))
        left = int(rng.integers(0, scene.photo.shape[1] - width))
        piece = scene.photo[top : top + height, left : left + width]
        made.append(replace(scene, photo=piece, mask=mask))
    return made
