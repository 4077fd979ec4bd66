"""Holes whose fill must not cost more than it should: large, thin, scattered, in large photos."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from perf.quality.removal import Removal, removal_of
from perf.scenes import load_scene

# Sizes are (width, height), px: a phone's photo of 10 MP, a camera's of 12, and some 1 MP.
TEN_MP: Final = (3648, 2736)
TWELVE_MP: Final = (4000, 3000)
ONE_MP: Final = (1024, 1024)
# Side of a square hole as a share of the photo's: 16 % of its area.
LARGE_SHARE: Final = 0.4
LEASH_PX: Final = 12
# How far the leash swings to both sides, as a share of the height, and how often.
LEASH_SWING: Final = 0.3
LEASH_WAVES: Final = 1.5
SPOTS: Final = 400
SPOT_PX: Final = (6, 20)
DISC_AREA: Final = 100_000
# The hole that must cost the same in 1 MP and in 12 MP, px a side.
SQUARE_PX: Final = 200


@dataclass(frozen=True)
class Workloads:
    """Draws the holes.

    Args:
        scale: of every length; 1 is what goals are stated for, less is for a try.
    """

    scale: float = 1.0

    def large(self) -> Removal:
        """A 16 % hole in 1 MP."""
        photo = background(*self._size(ONE_MP))
        height, width = photo.shape[:2]
        hole = np.zeros((height, width), np.uint8)
        half_y, half_x = round(height * LARGE_SHARE / 2), round(width * LARGE_SHARE / 2)
        hole[height // 2 - half_y : height // 2 + half_y,
             width // 2 - half_x : width // 2 + half_x] = 255  # fmt: skip
        return removal("1 MP, 16 % hole", photo, hole)

    def leash(self) -> Removal:
        """A wavy line from side to side of 10 MP."""
        photo = background(*self._size(TEN_MP))
        height, width = photo.shape[:2]
        x = np.linspace(0, width - 1, 400)
        y = height * (0.5 + LEASH_SWING * np.sin(x / width * 2 * math.pi * LEASH_WAVES))
        hole = np.zeros((height, width), np.uint8)
        line = np.stack([x, y], 1).round().astype(np.int32)
        cv2.polylines(hole, [line], False, (255,), max(1, round(LEASH_PX * self.scale)))
        return removal(f"10 MP, {LEASH_PX} px leash", photo, hole)

    def dust(self) -> Removal:
        """Spots all over 10 MP, always the same ones."""
        photo = background(*self._size(TEN_MP))
        height, width = photo.shape[:2]
        random = np.random.default_rng(0)
        hole = np.zeros((height, width), np.uint8)
        for _ in range(SPOTS):
            centre = (int(random.integers(width)), int(random.integers(height)))
            across = random.uniform(*SPOT_PX) * self.scale
            cv2.circle(hole, centre, max(1, round(across / 2)), (255,), -1)
        return removal(f"10 MP, {SPOTS} dust spots", photo, hole)

    def disc(self) -> Removal:
        """A hole of 100,000 px in 1.9 MP."""
        photo = background(*self._size((1600, 1200)))
        height, width = photo.shape[:2]
        hole = np.zeros((height, width), np.uint8)
        radius = round(math.sqrt(DISC_AREA / math.pi) * self.scale)
        cv2.circle(hole, (width // 2, height // 2), radius, (255,), -1)
        return removal("hole of 100,000 px", photo, hole)

    def same_hole(self) -> tuple[Removal, Removal]:
        """A hole in 12 MP, and in the 1 MP around it."""
        photo = background(*self._size(TWELVE_MP))
        height, width = photo.shape[:2]
        small_width, small_height = self._size(ONE_MP)
        half = round(SQUARE_PX * self.scale / 2)
        y, x = height // 2, width // 2
        hole = np.zeros((height, width), np.uint8)
        hole[y - half : y + half, x - half : x + half] = 255
        top, left = y - small_height // 2, x - small_width // 2
        at = slice(top, top + small_height), slice(left, left + small_width)
        small = removal("hole in 1 MP", np.ascontiguousarray(photo[at]), hole[at].copy())
        return small, removal("hole in 12 MP", photo, hole)

    def reference(self) -> Removal:
        """The reference scene, its mask cleaned as `inpaint` does."""
        scene = load_scene()
        height, width = scene.mask.shape
        return removal_of(scene if self.scale == 1 else scene.resized(*self._size((width, height))))

    def _size(self, size: tuple[int, int]) -> tuple[int, int]:
        return round(size[0] * self.scale), round(size[1] * self.scale)


def background(width: int, height: int) -> NDArray[np.uint8]:
    """Return grass of any size: the reference scene without its object, continued by reflection."""
    truth = load_scene().truth
    below, beside = max(height - truth.shape[0], 0), max(width - truth.shape[1], 0)
    wide = np.pad(truth, ((0, below), (0, beside), (0, 0)), mode="symmetric")
    return np.ascontiguousarray(wide[:height, :width])


def removal(name: str, photo: NDArray[np.uint8], hole: NDArray[np.uint8]) -> Removal:
    """Take a hole drawn into a photo; what it covers is the truth."""
    return Removal(name, "cost", photo, photo, hole, hole, 0)
