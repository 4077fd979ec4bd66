"""Grass: where blades stand, how they lean, what colour they are.

Three kinds share one table: thatch (dead strands lying flat, painted first), green blades and
dry blades. Patches come from noise over the ground, as in a lawn that has seen a dog.
"""

from dataclasses import dataclass

import numpy as np

from perf.scene.arrays import Bools, Floats, floats, mix, smoothstep, unit
from perf.scene.camera import TO_SUN, Camera
from perf.scene.colour import paint
from perf.scene.noise import fractal_tile, sample

GREEN = paint("4a5f2a", "5d7034", "707f3e", "828a48", "67793f", "93965a")
DRY = paint("c3b184", "ad976a", "8f7850", "d2c6a0", "9c9463")
THATCH = paint("a8966e", "8b7753", "6d5a3f", "b9ab86", "7b6c4c", "54452f")


@dataclass(frozen=True)
class Terrain:
    """Noise tiles that say where the ground is lush, dry, mossy and which way grass lies."""

    lush: Floats
    dry: Floats
    lie: Floats
    fine: Floats

    @staticmethod
    def grow(rng: np.random.Generator) -> "Terrain":
        """Draw the four tiles from the generator."""
        return Terrain(
            fractal_tile(rng, 512, 1.45),
            fractal_tile(rng, 512, 1.5),
            fractal_tile(rng, 512, 1.9),
            fractal_tile(rng, 512, 1.0),
        )

    def lushness(self, x: Floats, z: Floats) -> Floats:
        """How much grass stands at ground positions (m): 0 bare .. 1 dense."""
        broad = sample(self.lush, x, z, 3.7) + 0.45 * sample(self.fine, x, z, 0.9)
        return smoothstep(-1.25, 1.05, broad)

    def dryness(self, x: Floats, z: Floats) -> Floats:
        """How dead the grass is at ground positions (m): 0 green .. 1 straw."""
        return smoothstep(-0.9, 2.3, sample(self.dry, x, z, 2.9))


@dataclass(frozen=True)
class Blades:
    """Blades of grass as curves in space; N rows.

    root, bend, tip: FLOAT32 [N, 3] Bezier points in metres; width: [N] metres at the widest;
    base, top: [N, 3] linear colours of the two ends; lit: [N, 2] how much sun the left and
    the right half of the blade take; flat: [N] whether it lies in the thatch.
    """

    root: Floats
    bend: Floats
    tip: Floats
    width: Floats
    base: Floats
    top: Floats
    lit: Floats
    flat: Bools

    def join(self, other: "Blades") -> "Blades":
        """Put the rows of another table below this one's."""
        return Blades(
            *(np.concatenate([getattr(self, n), getattr(other, n)]) for n in self.__annotations__)
        )


def scatter(
    rng: np.random.Generator, camera: Camera, per_m2: float, near: float, far: float
) -> tuple[Floats, Floats, Floats]:
    """Scatter positions over the visible ground: x, z (m) and a widening factor, each [N].

    Beyond 2 m the density falls with the square of the distance while blades widen in turn:
    single ones are below a pixel there.
    """
    z_steps = np.linspace(near, far, 4000)
    half_view = 0.5 * camera.width / camera.focal
    thinning = np.minimum(1.0, (2.0 / z_steps) ** 2)
    strip = thinning * 2 * (half_view * z_steps * 1.06 + 0.12)
    total = np.cumsum(strip) * (z_steps[1] - z_steps[0])
    count = int(per_m2 * total[-1] * min(1.0, max(camera.scale, 0.12)))
    z = np.interp(rng.uniform(0, total[-1], count), total, z_steps)
    x = rng.uniform(-1, 1, count) * (half_view * z * 1.06 + 0.12)
    widen = np.maximum(1.0, z / 2.0) / np.sqrt(min(1.0, max(camera.scale, 0.12)))
    return floats(x), floats(z), floats(widen)


def thatch(rng: np.random.Generator, camera: Camera, terrain: Terrain) -> Blades:
    """Lay dead strands flat on the soil, in every direction."""
    x, z, widen = scatter(rng, camera, 23000, 0.80, 6.0)
    seen = rng.random(len(x)) > 0.75 * terrain.lushness(x, z)  # dense grass hides the rest
    x, z, widen = x[seen], z[seen], widen[seen]
    n = len(x)
    heading = rng.uniform(0, 2 * np.pi, n)
    length = rng.uniform(0.015, 0.06, n)
    root = np.stack([x, rng.uniform(0.0, 0.006, n), z], axis=1)
    step = np.stack([np.cos(heading), rng.normal(0, 0.06, n), np.sin(heading)], axis=1)
    tip = root + step * length[:, None]
    bend = 0.5 * (root + tip) + rng.normal(0, 0.12, (n, 3)) * length[:, None]
    for points in (tip, bend):
        points[:, 1] = np.abs(points[:, 1])
    colour = THATCH[rng.integers(0, len(THATCH), n)] * rng.uniform(0.55, 1.15, (n, 1))
    green = rng.random(n) < 0.25 * terrain.lushness(x, z)
    colour[green] = GREEN[rng.integers(0, 3, int(green.sum()))] * 0.8
    lit = rng.uniform(0.35, 0.95, (n, 1)) * rng.uniform(0.75, 1.0, (n, 2))
    return Blades(
        floats(root),
        floats(bend),
        floats(tip),
        floats(rng.uniform(0.0007, 0.0021, n) * widen),
        floats(colour * 0.9),
        floats(colour),
        floats(lit),
        np.ones(n, dtype=np.bool_),
    )


def standing(rng: np.random.Generator, camera: Camera, terrain: Terrain) -> Blades:
    """Grow standing blades: dense and green where the ground is lush, sparse where it is dry."""
    x, z, widen = scatter(rng, camera, 56000, 0.78, 13.0)
    lush, dryness = terrain.lushness(x, z), terrain.dryness(x, z)
    keep = rng.random(len(x)) < 0.10 + 0.90 * lush
    x, z, widen, lush, dryness = (a[keep] for a in (x, z, widen, lush, dryness))
    n = len(x)
    lie = 2.2 * sample(terrain.lie, x, z, 1.6)
    heading = lie + rng.normal(0, 1.2, n)
    lean = np.clip(rng.gamma(2.6, 0.27, n), 0.05, 1.50)
    length = (0.011 + 0.024 * lush) * rng.lognormal(0.0, 0.38, n)
    aside = np.stack([np.cos(heading), np.zeros(n), np.sin(heading)], axis=1)
    root = np.stack([x, np.zeros(n), z], axis=1)
    rise = np.array([[0.0, 1.0, 0.0]])
    tip = root + length[:, None] * (np.sin(lean)[:, None] * aside + np.cos(lean)[:, None] * rise)
    bend = root + (0.55 * length)[:, None] * (
        rise * np.cos(lean * 0.35)[:, None] + aside * np.sin(lean * 0.35)[:, None]
    )
    tip[:, 1] = np.maximum(tip[:, 1], 0.004)
    facing = np.abs(np.cos(rng.uniform(0, np.pi, n))) * 0.65 + 0.35
    width = rng.lognormal(np.log(0.0023), 0.30, n) * facing * widen

    dead = rng.random(n) < 0.09 + 0.55 * dryness
    shade = np.clip(rng.normal(0.5, 0.25, n) + 0.35 * (dryness - 0.4), 0, 0.999)
    colour = GREEN[(shade * len(GREEN)).astype(np.int64)]
    colour = colour * rng.uniform(0.72, 1.25, (n, 1)) * rng.normal(1, 0.06, (n, 3))
    straw = DRY[rng.integers(0, len(DRY), n)] * rng.uniform(0.7, 1.1, (n, 1))
    colour = np.where(dead[:, None], straw, colour)
    tipped = (rng.random(n) < 0.22)[:, None]
    top = np.where(tipped, mix(colour, DRY[1], 0.6), colour * np.array([1.08, 1.06, 0.95]))
    base = mix(colour, GREEN[0] * 0.8, 0.35)

    across = unit(floats(np.cross(aside, rise) + rng.normal(0, 0.5, (n, 3))))
    normal = unit(floats(np.cross(across, tip - root)))
    fold = 0.35
    lit = np.stack([_sun_on(normal + fold * across), _sun_on(normal - fold * across)], axis=1)
    return Blades(
        floats(root),
        floats(bend),
        floats(tip),
        floats(width),
        floats(base),
        floats(top),
        floats(lit),
        np.zeros(n, dtype=np.bool_),
    )


def _sun_on(normals: Floats) -> Floats:
    """Sun taken by thin leaves [N]: lit from the front, or shining through from behind."""
    cosine = unit(floats(normals)) @ TO_SUN
    return floats(np.where(cosine > 0, 0.25 + 0.75 * cosine, 0.20 - 0.55 * cosine))
