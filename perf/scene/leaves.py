"""Fallen leaves: outlines, veins and stains of four kinds of tree, curled and strewn.

A leaf lives in its own unit square: u runs from the stalk (-1) to the tip (1), v across.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from perf.scene.arrays import Bools, Floats, Rows, floats, mix, smoothstep, unit
from perf.scene.camera import Camera
from perf.scene.colour import paint
from perf.scene.grass import Terrain, scatter
from perf.scene.noise import fractal_tile, sample, soften

TEXTURE = 160
"""Side of a leaf's texture in px: the nearest leaf is about that long in a 1600 px picture."""

KINDS = ("maple", "oak", "beech", "linden")

TINTS = {
    "maple": paint("b8893f", "a4643a", "c7a252", "8f4a36", "84583a"),
    "oak": paint("8a5f38", "a27445", "6f4a2e", "94703f"),
    "beech": paint("a87c48", "946440", "bd9857", "775339"),
    "linden": paint("c4a556", "b49146", "9f8447", "866b42"),
}


@dataclass(frozen=True)
class LeafShape:
    """One leaf to copy: outline [K, 2] (u, v), texture [T, T, 3] linear colour."""

    outline: Floats
    texture: Floats


@dataclass(frozen=True)
class Leaves:
    """Leaves on the ground; N rows.

    shape: [N] which LeafShape; centre: [N, 3] metres; along, across: [N, 3] half axes in
    metres; curl: [N, 2] bending along u and v (m); tint: [N, 3]; buried: [N] whether grass
    grows through it.
    """

    shape: Rows
    centre: Floats
    along: Floats
    across: Floats
    curl: Floats
    tint: Floats
    buried: Bools


def _half_outline(kind: str, rng: np.random.Generator) -> Floats:
    """Draw the upper half of an outline from tip to stalk: rows (u, v) with v >= 0."""
    s = np.linspace(0, 1, 90)
    jitter = rng.uniform(0.85, 1.15, 8)
    if kind == "maple":
        lobes = np.array(
            [
                (0.0, 1.0),
                (0.42, 0.56),
                (0.95, 0.98),
                (1.45, 0.50),
                (2.0, 0.74),
                (2.55, 0.36),
                (3.14, 0.30),
            ]
        )
        lobes[1:6, 1] *= jitter[:5] ** 0.6
        angle = s * np.pi
        radius = np.interp(angle, lobes[:, 0], lobes[:, 1])
        radius *= 1 + 0.07 * np.abs(((angle * 5.2 * jitter[6]) % 1.0) - 0.5) * 2
        return floats(np.stack([radius * np.cos(angle) * 0.9 - 0.1, radius * np.sin(angle)], 1))
    u = np.cos(s * np.pi)
    if kind == "oak":
        body = 0.52 * np.sqrt(np.maximum(1 - u * u, 0)) * (1 + 0.25 * u)
        v = body * (0.72 + 0.30 * np.cos(u * 13 * jitter[0] + jitter[1]))
    elif kind == "beech":
        v = 0.50 * np.maximum(1 - u * u, 0) ** 0.75 * (1 - 0.15 * u)
        v = v + 0.022 * np.abs(((u * 11) % 1.0) - 0.5) * (v > 0.05)
    else:
        v = 0.78 * np.maximum(1 - u * u, 0) ** 0.6 * (1 - 0.38 * u)
        v = v + 0.03 * np.abs(((u * 15) % 1.0) - 0.5) * (v > 0.05)
    return floats(np.stack([u, v], axis=1))


def draw_shape(kind: str, rng: np.random.Generator) -> LeafShape:
    """Draw one leaf of a kind: an uneven outline with a stalk, and its veined texture."""
    upper = _half_outline(kind, rng)
    lower = upper[::-1] * floats([1.0, -1.0])
    lower[:, 1] *= rng.uniform(0.85, 1.05)
    stalk = floats([[-1.0, 0.018], [-1.45, 0.05], [-1.46, 0.02], [-1.0, -0.018]])
    if kind == "maple":
        stalk[[0, 3], 0] = -0.36
    tear = 1 + 0.05 * rng.standard_normal((len(upper) + len(lower), 1)).cumsum(0) / 9
    blade = np.concatenate([upper, lower]) * floats(np.clip(tear, 0.85, 1.12))
    outline = np.concatenate([blade[: len(upper)], stalk, blade[len(upper) :]])
    return LeafShape(floats(outline * 0.69), _texture(kind, rng))


def _texture(kind: str, rng: np.random.Generator) -> Floats:
    """Paint veins, stains and mottling: relative colour [T, T, 3] around 1."""
    size = TEXTURE
    veins = np.zeros((size * 2, size * 2), np.float32)
    mid = size

    def vein(points: list[tuple[float, float]], thick: int) -> None:
        line = np.array([[(p[0] * 0.69 + 1) * mid, (p[1] * 0.69 + 1) * mid] for p in points])
        cv2.polylines(veins, [np.round(line * 8).astype(np.int32)], False, (1.0,), thick, 8, 3)

    if kind == "maple":
        for angle, reach in ((0.0, 1.0), (0.95, 0.95), (-0.95, 0.95), (2.0, 0.7), (-2.0, 0.7)):
            end = (reach * np.cos(angle) * 0.9 - 0.1, reach * np.sin(angle))
            vein([(-0.36, 0.0), end], 4)
            for k in np.linspace(0.3, 0.85, 5):
                foot = (-0.36 + (end[0] + 0.36) * k, end[1] * k)
                for turn in (-0.7, 0.7):
                    vein(
                        [
                            foot,
                            (
                                foot[0] + 0.3 * (1 - k * 0.6) * np.cos(angle + turn),
                                foot[1] + 0.3 * (1 - k * 0.6) * np.sin(angle + turn),
                            ),
                        ],
                        2,
                    )
    else:
        vein([(-1.4, 0.0), (1.0, 0.0)], 5)
        for k in np.linspace(-0.85, 0.8, 8 if kind == "oak" else 13):
            for side in (-1.0, 1.0):
                vein([(k, 0.0), (k + 0.22, side * 0.35), (k + 0.36, side * 0.72)], 2)
    veins = floats(cv2.resize(soften(veins, 1.2), (size, size), None, 0, 0, cv2.INTER_AREA))
    mottle = fractal_tile(rng, size, 1.5)
    fine = fractal_tile(rng, size, 0.7)
    stains = smoothstep(1.1, 2.0, fractal_tile(rng, size, 1.3))
    tone = 1 + 0.16 * mottle + 0.09 * fine
    colour = np.clip(tone, 0.35, 1.7)[..., None] * (1 + 0.07 * mottle[..., None] * [0.2, -0.6, -1])
    colour = colour * (1 - 0.72 * stains[..., None] * floats([0.8, 0.95, 1.0]))
    yy, xx = np.mgrid[0:size, 0:size] / (size / 2) - 1.0
    rim = smoothstep(0.25, 0.75, floats(np.hypot(xx, yy) + 0.12 * mottle))
    colour = colour * mix(1.0, floats([0.80, 0.68, 0.62]), (rim * rng.uniform(0, 1))[..., None])
    lighter = rng.random() < 0.6
    return floats(colour * (1 + (0.38 if lighter else -0.35) * veins[..., None]))


def draw_shapes(rng: np.random.Generator, per_kind: int = 4) -> list[LeafShape]:
    """Draw `per_kind` different leaves of every kind, kind by kind."""
    return [draw_shape(kind, rng) for kind in KINDS for _ in range(per_kind)]


def strew(rng: np.random.Generator, camera: Camera, terrain: Terrain, per_kind: int = 4) -> Leaves:
    """Strew leaves over the visible ground, singly and in drifts."""
    x, z, _ = scatter(rng, camera, 230 / min(1.0, max(camera.scale, 0.12)), 0.80, 14.0)
    drift = smoothstep(-0.6, 1.6, floats(_drift(terrain, x, z)))
    keep = rng.random(len(x)) < 0.16 + 0.84 * drift
    x, z = x[keep], z[keep]
    n = len(x)
    kind = rng.choice(len(KINDS), n, p=[0.24, 0.24, 0.30, 0.22])
    shape = kind * per_kind + rng.integers(0, per_kind, n)
    half = rng.uniform(0.024, 0.046, n) * np.where(kind == 0, 1.15, 1.0)
    heading = rng.uniform(0, 2 * np.pi, n)
    tilt = rng.normal(0, 0.22, (n, 2))
    along = np.stack([np.cos(heading), tilt[:, 0], np.sin(heading)], axis=1)
    across = np.stack([-np.sin(heading), tilt[:, 1], np.cos(heading)], axis=1)
    along, across = unit(floats(along)), unit(floats(across))
    buried = rng.random(n) < 0.25
    lush = terrain.lushness(x, z)
    height = (
        np.where(buried, 0.004, 0.008 + 0.016 * lush * (0.4 + 0.6 * rng.random(n))) + half * 0.12
    )
    tint = np.empty((n, 3), np.float32)
    for index, name in enumerate(KINDS):
        rows = kind == index
        choice = TINTS[name][rng.integers(0, len(TINTS[name]), int(rows.sum()))]
        tint[rows] = choice * rng.uniform(0.62, 1.12, (int(rows.sum()), 1))
    return Leaves(
        shape.astype(np.int64),
        floats(np.stack([x, height, z], axis=1)),
        floats(along * (half * 1.45)[:, None]),
        floats(across * (half * 1.45)[:, None]),
        floats(rng.normal(0.10, 0.20, (n, 2)) * half[:, None]),
        tint,
        buried,
    )


def _drift(terrain: Terrain, x: Floats, z: Floats) -> Floats:
    return sample(terrain.lie, floats(x + 0.7), floats(z + 1.3), 2.3)
