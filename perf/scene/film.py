"""From light to file: lens, sensor, tone curve and JPEG of a phone."""

from itertools import pairwise

import cv2
import numpy as np

from perf.scene.arrays import Bytes, Floats, floats, smoothstep
from perf.scene.camera import Camera
from perf.scene.colour import to_srgb
from perf.scene.noise import soften

FOCUS_M = 1.15
"""Focused just before the dog's face: the grass before it and the face are sharp."""

BLUR_PX = 4.2
"""Blur (Gaussian sigma, px at 1600 px width) at infinity for a focus at 1 m."""

EXPOSURE = 0.80
"""Gain before the tone curve: sunlit grass comes out a little above middle grey."""

BRIGHTEST = 16.0
"""Linear light at which the sensor clips."""

JPEG_QUALITY = 93
"""What phones write."""


def defocus(distance: float, camera: Camera) -> float:
    """Blur of a thing at `distance` metres: Gaussian sigma in px (thin lens)."""
    return BLUR_PX * camera.scale * abs(1 / distance - 1 / FOCUS_M)


def focus_lawn(lawn: Floats, camera: Camera) -> Floats:
    """Blur the lawn [H, W, 3] by its depth, row by row."""
    distance = camera.ground_depth(floats(np.arange(camera.height) + 0.5))
    wanted = BLUR_PX * camera.scale * np.abs(1 / distance - 1 / FOCUS_M)
    levels = [0.0, 0.7 * camera.scale, 1.6 * camera.scale, 3.6 * camera.scale]
    out = lawn.copy()
    previous = lawn
    for low, high in pairwise(levels):
        blurred = soften(lawn, high)
        share = floats(np.clip((wanted - low) / (high - low), 0, 1))[:, None, None]
        rows = (wanted >= low)[:, None, None]
        out = np.where(rows, previous + (blurred - previous) * share, out)
        previous = blurred
    return floats(out)


def glow(light: Floats, camera: Camera) -> Floats:
    """Veil of light [H, W, 3] that a lens adds: a little of everything bright, spread wide."""
    small = cv2.resize(light, None, None, 0.25, 0.25, cv2.INTER_AREA)
    veil = 0.6 * soften(floats(small), 6 * camera.scale) + 0.4 * soften(
        floats(small), 26 * camera.scale
    )
    size = (light.shape[1], light.shape[0])
    return floats(cv2.resize(veil, size, None, 0, 0, cv2.INTER_LINEAR))


def noise_field(rng: np.random.Generator, height: int, width: int) -> Floats:
    """Draw the sensor's noise [H, W, 4]: three colours and a common brightness part."""
    raw = rng.standard_normal((height, width, 4), dtype=np.float32)
    colour = soften(floats(raw[..., :3]), 1.1) * 2.4
    bright = soften(floats(raw[..., 3]), 0.55) * 1.5
    return floats(np.concatenate([colour, bright[..., None]], axis=2))


def falloff(camera: Camera) -> Floats:
    """Light that reaches each place of the sensor [H, W, 1]: 1 in the middle, less outwards."""
    y, x = np.mgrid[0 : camera.height, 0 : camera.width].astype(np.float32)
    off = (x - camera.width / 2) ** 2 + (y - camera.height / 2) ** 2
    return floats(1 - 0.24 * 4 * off / (camera.width**2 + camera.height**2))[..., None]


def expose(light: Floats, veil: Floats, noise: Floats, fall: Floats) -> Bytes:
    """Develop linear light [H, W, 3] into an 8-bit sRGB picture UINT8 [H, W, 3].

    Each step looks at most a few px around a pixel, so two scenes that differ in one place give
    pictures that differ only near it, and a part cut along JPEG's 16 px grid can stand for it.
    """
    picture = (light * 0.965 + veil * 0.035) * fall
    picture = soften(floats(picture), 0.50)
    grain = np.sqrt(np.maximum(picture, 0) * 0.00022 + 0.0000035)
    picture = picture + grain * (0.55 * noise[..., :3] + 0.85 * noise[..., 3:])
    encoded = tone(floats(picture))
    detail = encoded - soften(encoded, 1.0)
    encoded = np.clip(encoded + 0.45 * np.clip(detail, -0.12, 0.12), 0, 1)
    eight = np.round(encoded * 255).astype(np.uint8)
    _, data = cv2.imencode(".jpg", eight[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return np.ascontiguousarray(np.asarray(decoded, dtype=np.uint8)[..., ::-1])


def tone(light: Floats) -> Floats:
    """Turn linear light into sRGB values in 0..1: a soft shoulder, then a phone's contrast.

    The curve is the same for the three channels, hence one table for all.
    """
    steps = np.linspace(0.0, 1.0, 4096, dtype=np.float32)
    exposed = (steps**2 * BRIGHTEST) * EXPOSURE
    shoulder = exposed * (1 + exposed / 6.0) / (1 + exposed)
    encoded = to_srgb(floats(shoulder))
    contrast = encoded + 0.42 * (smoothstep(0.0, 1.0, encoded) - encoded)
    place = np.sqrt(np.clip(light, 0, BRIGHTEST) / BRIGHTEST) * 4095
    low = np.minimum(place.astype(np.int32), 4094)
    return floats(contrast[low] + (contrast[low + 1] - contrast[low]) * (place - low))
