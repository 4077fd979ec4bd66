"""Procedural surfaces as a camera sees them: walls, skies, sand, planks, tiles, stones, a fence.

Every function gives FP32 [H,W,3] linear light, before the sensor's noise.
"""

from collections.abc import Callable

import cv2
import numpy as np

from perf.quality.light import Field, Random, blur, colour, mix, octaves, smoothstep

Material = Callable[[Random, Field, Field], Field]

# Floors are drawn this much larger and averaged down, so that far joints do not alias.
SUPERSAMPLE = 2


def frame(shape: tuple[int, int]) -> tuple[Field, Field]:
    """Give rows and columns of an [H,W] frame, each FP32 [H,W], -1 to 1."""
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    return (
        (rows / (shape[0] - 1) * 2 - 1).astype(np.float32),
        (columns / (shape[1] - 1) * 2 - 1).astype(np.float32),
    )


def _slope(height: Field, step: int) -> Field:
    """Tell how much a relief rises from the upper left over `step` px, FP32 [H,W]."""
    before = cv2.copyMakeBorder(height, step, 0, step, 0, cv2.BORDER_REFLECT_101)
    return (height - before[: height.shape[0], : height.shape[1]]).astype(np.float32)


def linear_gradient(
    shape: tuple[int, int], start: Field, end: Field, angle_deg: float, bend: float = 1.0
) -> Field:
    """Fade from one colour to another along a direction, with `bend` as the ramp's exponent."""
    y, x = frame(shape)
    angle = np.deg2rad(angle_deg)
    ramp = (x * np.cos(angle) + y * np.sin(angle)) / (abs(np.cos(angle)) + abs(np.sin(angle)))
    return mix(((ramp + 1) / 2).astype(np.float32) ** bend, start, end)


def backdrop(rng: Random, shape: tuple[int, int], inner: Field, outer: Field) -> Field:
    """A studio backdrop: a pool of light off centre on cloth with faint large stains."""
    y, x = frame(shape)
    distance = np.hypot((x + 0.25) * 1.1, (y + 0.1)).astype(np.float32)
    stains = octaves(rng, shape, shape[1] / 3, 3) * 0.015
    return mix(smoothstep(distance, 0.0, 1.7) + stains, inner, outer)


def plaster(rng: Random, shape: tuple[int, int], base: Field) -> Field:
    """A painted wall: window light from one side, a roller's orange-peel relief, faint stains."""
    relief = blur(rng.standard_normal(shape).astype(np.float32), 1.6) * 5
    lit = np.clip(_slope(relief, 2), -3, 3)
    y, x = frame(shape)
    falloff = 0.75 - 0.28 * x - 0.08 * y + 0.06 * x * x
    shade = falloff + 0.006 * lit + 0.010 * octaves(rng, shape, shape[1] / 2, 4)
    return np.asarray(base * shade[..., None], np.float32)


def sky(rng: Random, shape: tuple[int, int]) -> Field:
    """A clear sky that pales towards the horizon, with thin soft clouds."""
    y, x = frame(shape)
    blue = mix(((y + 1) / 2) ** 1.3, colour(72, 124, 190), colour(186, 206, 222))
    wisps = cv2.resize(
        octaves(rng, (shape[0], shape[1] // 3), shape[1] / 7, 5, 0.55), (shape[1], shape[0])
    )
    cover = smoothstep(wisps + 0.25 * x, 0.5, 2.6) * 0.55
    return mix(cover, blue, colour(238, 238, 240))


def sand(rng: Random, shape: tuple[int, int]) -> Field:
    """Raked beach sand: footworn hollows, wandering ripples, grains, lit from the upper left."""
    y, x = frame(shape)
    wander = octaves(rng, shape, shape[1] / 3, 3)
    ripples = np.sin((y * 26 + x * 7) + 2.2 * wander) * (0.6 + 0.3 * wander)
    height = 2.4 * ripples + 5 * octaves(rng, shape, shape[1] / 6, 4)
    slope = _slope(height, 3)
    grains = blur(rng.standard_normal(shape).astype(np.float32), 0.7) * 2.0
    dark = blur((rng.random_sample(shape) > 0.996).astype(np.float32), 0.6) * 2.2
    shade = 0.62 + 0.065 * slope + 0.055 * grains - 0.35 * dark
    tint = mix(
        0.5 + 0.25 * octaves(rng, shape, 90, 3), colour(222, 196, 156), colour(206, 184, 152)
    )
    return np.asarray(tint * np.clip(shade, 0.05, 1.4)[..., None], np.float32)


def asphalt(rng: Random, shape: tuple[int, int]) -> Field:
    """Worn asphalt: stones of many greys in dark binder, stains, a few pale chips."""
    stones = octaves(rng, shape, 5, 3, 0.7)
    pits = smoothstep(octaves(rng, shape, 7, 2, 0.6), 0.6, 2.0)
    chips = smoothstep(octaves(rng, shape, 4, 2, 0.8), 2.2, 3.0)
    stains = octaves(rng, shape, shape[1] / 3, 5, 0.6)
    value = 0.13 + 0.035 * stones - 0.07 * pits + 0.25 * chips + 0.014 * stains
    warm = mix(0.5 + 0.4 * stains, colour(250, 250, 255), colour(255, 246, 232))
    return (warm * np.clip(blur(value.astype(np.float32), 0.7), 0.01, 1)[..., None]).astype(
        np.float32
    )


def rug(rng: Random, shape: tuple[int, int]) -> Field:
    """A looped wool rug: rows of short yarn arcs, uneven dye, pile that leans in patches."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    lean = octaves(rng, shape, 120, 4)
    rows = y / 7.0 + 0.22 * octaves(rng, shape, 40, 3)
    loops = x / 5.0 + 0.5 * np.floor(rows) + 0.25 * octaves(rng, shape, 25, 3)
    pile = np.abs(np.sin(np.pi * rows)) ** 0.6 * (0.55 + 0.45 * np.abs(np.sin(np.pi * loops)))
    fibres = blur(rng.standard_normal(shape).astype(np.float32), 0.8) * 2
    shade = 0.30 + 0.55 * pile + 0.09 * fibres + 0.06 * lean
    dye = mix(
        0.5 + 0.35 * octaves(rng, shape, 30, 4, 0.7), colour(178, 150, 120), colour(208, 192, 168)
    )
    return np.asarray(dye * np.clip(shade, 0.04, 1.3)[..., None], np.float32)


def floor(
    rng: Random,
    shape: tuple[int, int],
    material: Material,
    *,
    far: float = 2.4,
    turn_deg: float = 0.0,
    sharpness_px: float = 0.7,
) -> Field:
    """Lay a material on the ground and look down at it.

    Args:
        rng: source of randomness.
        shape: (H, W) in px.
        material: gives linear light at ground points (u, v), in widths of the picture's lower edge.
        far: how many times smaller things are at the upper edge than at the lower.
        turn_deg: rotation of the material on the ground.
        sharpness_px: blur of the lens.

    Returns:
        FP32 [H,W,3] linear light, with window light falling off across it.
    """
    big = (shape[0] * SUPERSAMPLE, shape[1] * SUPERSAMPLE)
    y, x = frame(big)
    scale = 1 / far + (1 - 1 / far) * (y + 1) / 2
    # Under a pinhole, size is linear in the row and depth is its inverse; the depth factor keeps
    # squares square at the lower edge.
    depth_factor = shape[0] / shape[1] / (1 - 1 / far)
    across = x / 2 / scale
    along = (1 / scale - 1) * depth_factor
    turn = np.deg2rad(turn_deg)
    u = (across * np.cos(turn) - along * np.sin(turn)).astype(np.float32)
    v = (across * np.sin(turn) + along * np.cos(turn)).astype(np.float32)
    light = cv2.resize(material(rng, u, v), shape[::-1], interpolation=cv2.INTER_AREA)
    y, x = frame(shape)
    falloff = 0.95 - 0.22 * x - 0.10 * y + 0.05 * octaves(rng, shape, shape[1] / 2, 2)
    return blur((light * falloff[..., None]).astype(np.float32), sharpness_px)
