"""What lies behind the lawn: a gravel path and a hedge in autumn, far out of focus."""

import cv2
import numpy as np

from perf.scene.arrays import Floats, floats, mix, smoothstep
from perf.scene.camera import Camera
from perf.scene.colour import paint
from perf.scene.film import focus_lawn
from perf.scene.noise import fractal_tile, sample, soften

FOLIAGE = paint("2c3a1f", "3d4f28", "56652f", "74783a", "8c7a35", "9a6a2c", "7a4a26", "25301c")

HEDGE_M = 11.0
"""Distance of the hedge's foot: it hides the horizon, as in most gardens."""


def paint_backdrop(rng: np.random.Generator, camera: Camera) -> tuple[Floats, Floats]:
    """Paint the blurred backdrop: linear colour [H, W, 3] and its cover of the lawn [H, W]."""
    height, width, s = camera.height, camera.width, camera.scale
    foot = camera.height / 2 - camera.focal * np.tan(
        camera.pitch - np.arctan(camera.eye_height / HEDGE_M)
    )
    foot = max(int(foot), 4)
    strip = np.empty((foot + int(30 * s) + 8, width, 3), np.float32)
    strip[:] = paint("141a10")[0]
    rows, columns = strip.shape[:2]
    warm = fractal_tile(rng, 256, 1.7)
    count = 7000
    x, y = rng.uniform(0, columns, count), rng.uniform(-0.1 * rows, rows, count)
    autumn = sample(warm, floats(x / columns), floats(y / columns), 1.3)
    choice = np.clip(rng.normal(2.2, 1.6, count) + 1.7 * autumn, 0, 7.49).astype(int)
    lit = rng.uniform(0.25, 1.0, count) * (1.5 - 0.9 * np.clip(y / rows, 0, 1))
    lit *= np.where(rng.random(count) < 0.04, 2.4, 1.0)
    hollow = sample(warm, floats(x / columns + 0.3), floats(y / columns), 0.45)
    lit *= np.exp(0.45 * np.clip(hollow, -2, 2))
    size = 2.0 + rng.gamma(1.6, 2.4, count) * s
    for k in np.argsort(lit, kind="stable"):
        colour = FOLIAGE[choice[k]] * lit[k] * 1.9
        axes = (max(int(size[k]), 1), max(int(size[k] * 0.6), 1))
        cv2.ellipse(
            strip,
            (int(x[k]), int(y[k])),
            axes,
            float(k % 180),
            0,
            360,
            tuple(float(c) for c in colour),
            -1,
        )
    for centre in rng.uniform(0.0, 1.0, 3) * columns:
        trunk = int(rng.uniform(10, 26) * s) + 1
        lean = int(rng.normal(0, 12) * s)
        cv2.line(strip, (int(centre), rows), (int(centre) + lean, -5), (0.075, 0.060, 0.045), trunk)
    gaps = rng.uniform(0, 1, (15, 2)) ** [1, 1.6] * [columns, 0.30 * rows]
    for gx, gy in gaps:
        cv2.circle(
            strip,
            (int(gx), int(gy)),
            max(int(rng.uniform(2, 6) * s), 1),
            tuple(float(c) for c in floats([1.3, 1.45, 1.6]) * rng.uniform(0.08, 0.5)),
            -1,
        )
    shade = np.linspace(1.25, 0.55, rows, dtype=np.float32)[:, None, None]
    strip *= shade
    radius = max(int(11 * s), 1)
    disc = floats(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)))
    disc /= disc.sum()
    strip = floats(cv2.filter2D(strip, -1, disc, borderType=cv2.BORDER_REFLECT))
    strip = soften(strip, 1.2 * s)

    picture = np.zeros((height, width, 3), np.float32)
    cover = np.zeros((height, width), np.float32)
    last = min(rows, height)
    picture[:last] = strip[:last]
    wobble = sample(warm, floats(np.arange(width) / width), np.zeros(width, np.float32), 0.5)
    edge = foot + 5 * s * wobble[None, :]
    y_rows = floats(np.arange(last) + 0.5)[:, None]
    cover[:last] = 1 - smoothstep(-7 * s - 1e-3, 7 * s + 1e-3, floats(y_rows - edge))
    return picture, cover


def gravel_path(camera: Camera, rng: np.random.Generator, lawn: Floats) -> Floats:
    """Lay a pale path across the far lawn [H, W, 3] (linear) and give the result."""
    rows = floats(np.arange(camera.height) + 0.5)
    depth = np.minimum(camera.ground_depth(rows), 90.0)
    noise = fractal_tile(rng, 256, 1.2)
    columns = floats(np.arange(camera.width) + 0.5 - camera.width / 2)
    across = columns[None, :] * (depth / camera.focal)[:, None]
    away = np.broadcast_to(depth[:, None], across.shape)
    worn = 0.28 * sample(noise, across, floats(away), 4.0)
    line = away - 0.45 * across + worn + 0.02 * across**2
    strength = smoothstep(5.9, 6.7, floats(line)) * (1 - smoothstep(7.9, 8.8, floats(line)))
    grain = sample(noise, across, floats(away * 0.4), 1.5)
    colour = paint("a2947c")[0] * 1.75 * (1 + 0.08 * grain[..., None])
    return mix(lawn, colour, 0.80 * strength[..., None])


def stand_before(camera: Camera, rng: np.random.Generator, lawn: Floats) -> Floats:
    """Put path and hedge behind the lit lawn [H, W, 3] and focus it: linear [H, W, 3]."""
    far, cover = paint_backdrop(rng, camera)
    ground = focus_lawn(gravel_path(camera, rng, lawn), camera)
    return mix(ground, far, cover[..., None])
