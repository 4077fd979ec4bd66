"""The pinhole camera: a phone held at chest height of a crouching person, tilted down.

World axes: x to the right, y up, z away from the camera, metres; the ground is y = 0.
"""

from dataclasses import dataclass
from math import cos, sin

import numpy as np

from perf.scene.arrays import Floats, floats, unit


@dataclass(frozen=True)
class Camera:
    """Position, tilt and lens of the camera; one pixel is the unit of `focal`."""

    width: int
    height: int
    focal: float
    pitch: float = 0.25
    eye_height: float = 0.74

    @staticmethod
    def phone(width: int, height: int) -> "Camera":
        """Give a phone's main camera, cropped a little: 54 degrees across the longer side."""
        return Camera(width, height, focal=0.98 * max(width, height * 4 / 3))

    @property
    def scale(self) -> float:
        """Size of this picture against the 1600 px wide one that all px figures are for."""
        return self.focal / (0.98 * 1600)

    def project(self, points: Floats) -> tuple[Floats, Floats]:
        """Project points [..., 3] (m) to pixels [..., 2] (x, y) and depths [...] (m)."""
        c, s = cos(self.pitch), sin(self.pitch)
        y = points[..., 1] - self.eye_height
        up = y * c + points[..., 2] * s
        depth = np.maximum(points[..., 2] * c - y * s, 0.05)
        across = self.width / 2 + self.focal * points[..., 0] / depth
        down = self.height / 2 - self.focal * up / depth
        return floats(np.stack([across, down], axis=-1)), floats(depth)

    def rays(self, across: Floats, down: Floats) -> Floats:
        """Give ray vectors [..., 3] through pixels; a ray times a depth is a point's offset."""
        c, s = cos(self.pitch), sin(self.pitch)
        right = (across - self.width / 2) / self.focal
        up = (self.height / 2 - down) / self.focal
        return floats(np.stack([right, up * c - s, up * s + c], axis=-1))

    def points(self, across: Floats, down: Floats, depth: Floats) -> Floats:
        """Give the world points [..., 3] seen at pixels with the given depths in metres."""
        points = self.rays(across, down) * depth[..., None]
        points[..., 1] += self.eye_height
        return floats(points)

    def ground_depth(self, down: Floats) -> Floats:
        """Give the depth at which the ground is seen in rows `down`; 1000 m above the horizon."""
        c, s = cos(self.pitch), sin(self.pitch)
        fall = s - (self.height / 2 - down) / self.focal * c
        return floats(np.where(fall > 1e-3, self.eye_height / np.maximum(fall, 1e-3), 1000.0))

    @property
    def horizon(self) -> float:
        """Row (px from the top) of the horizon."""
        return self.height / 2 - self.focal * sin(self.pitch) / cos(self.pitch)


TO_SUN: Floats = unit(floats([0.74, 0.80, -0.30]))
"""Direction to the sun: a hazy late-morning sun from the right, a little behind the camera,
so that shadows fall to the left and the dog's face is lit."""

SUNLIGHT: Floats = floats([3.05, 2.74, 2.28])
"""Linear RGB of the sun through thin haze: warm, about twice the sky."""

SKYLIGHT: Floats = floats([0.58, 0.68, 0.82])
"""Linear RGB of the sky's light on an open upward surface: bluish."""
