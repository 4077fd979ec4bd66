"""Rounded solids as signed distance fields: what the dog's body and the hand are built of.

Distances and the smooth union follow Inigo Quilez (https://iquilezles.org/articles/, "distance
functions" and "smooth minimum").
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from perf.scene.arrays import Floats, floats, unit


@dataclass(frozen=True)
class Bone:
    """A round cone from `start` (radius `r0`) to `end` (radius `r1`), metres."""

    part: str
    start: tuple[float, float, float]
    end: tuple[float, float, float]
    r0: float
    r1: float
    blend: float = 0.03

    def bound(self) -> tuple[Floats, float]:
        """Give the centre [3] and radius (m) of a sphere around the solid."""
        a, b = floats(self.start), floats(self.end)
        return floats((a + b) / 2), float(np.sqrt(np.sum((b - a) ** 2))) / 2 + max(self.r0, self.r1)

    def distance(self, points: Floats) -> Floats:
        """Distance in metres from points [P, 3]; the radius is interpolated, nearly exact."""
        a, axis = floats(self.start), floats(self.end) - floats(self.start)
        offset = points - a
        h = np.clip(offset @ axis / max(float(axis @ axis), 1e-9), 0.0, 1.0)
        gap = offset - h[:, None] * axis
        return floats(
            np.sqrt(np.einsum("ij,ij->i", gap, gap)) - (self.r0 + h * (self.r1 - self.r0))
        )


@dataclass(frozen=True)
class Lump:
    """An ellipsoid with semi-axes `radii` (m) turned by `turn` (columns are its axes)."""

    part: str
    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    turn: Floats = field(default_factory=lambda: np.eye(3, dtype=np.float32))
    blend: float = 0.03

    def bound(self) -> tuple[Floats, float]:
        """Give the centre [3] and radius (m) of a sphere around the solid."""
        return floats(self.centre), max(self.radii)

    def distance(self, points: Floats) -> Floats:
        """Distance in metres from points [P, 3], exact at the surface to first order."""
        local = (points - floats(self.centre)) @ self.turn
        r = floats(self.radii)
        scaled = local / r
        steep = scaled / r
        k0 = np.sqrt(np.einsum("ij,ij->i", scaled, scaled))
        k1 = np.sqrt(np.einsum("ij,ij->i", steep, steep))
        return floats(k0 * (k0 - 1.0) / np.maximum(k1, 1e-6))


@dataclass(frozen=True)
class Hoop:
    """A band around an axis: ring radius `radius`, half width `half`, thickness `thick` (m)."""

    part: str
    centre: tuple[float, float, float]
    axis: tuple[float, float, float]
    radius: float
    half: float
    thick: float
    blend: float = 0.002

    def bound(self) -> tuple[Floats, float]:
        """Give the centre [3] and radius (m) of a sphere around the solid."""
        return floats(self.centre), self.radius + self.half + self.thick

    def distance(self, points: Floats) -> Floats:
        """Distance in metres from points [P, 3]."""
        offset = points - floats(self.centre)
        axis = unit(floats(self.axis))
        along = offset @ axis
        gap = offset - along[:, None] * axis
        out = np.abs(np.sqrt(np.einsum("ij,ij->i", gap, gap)) - self.radius) - self.thick
        up = np.abs(along) - self.half
        outside = np.hypot(np.maximum(out, 0), np.maximum(up, 0))
        return floats(outside + np.minimum(np.maximum(out, up), 0) - 0.0015)


Solid = Bone | Lump | Hoop


def turned(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> Floats:
    """Rotation matrix [3, 3] for column vectors: roll about z, then pitch about x, then yaw."""
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    cr, sr = np.cos(roll), np.sin(roll)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return floats(about_y @ about_x @ about_z)


def union(solids: Sequence[Solid], points: Floats) -> Floats:
    """Distance in metres from points [P, 3] to the smooth union of all solids."""
    total = solids[0].distance(points)
    for solid in solids[1:]:
        d = solid.distance(points)
        h = np.maximum(solid.blend - np.abs(total - d), 0.0) / solid.blend
        total = np.minimum(total, d) - h * h * (0.25 * solid.blend)
    return floats(total)
