"""Things that do not belong in a pet photo: a hand, a ball, a leash, a toy, legs, a cushion.

Each is drawn in its own square frame, lit like a round body, and has a soft edge.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from perf.quality.light import (
    Field,
    Mask,
    Pixels,
    Random,
    blur,
    colour,
    mix,
    octaves,
    sensor_noise,
    smoothstep,
    to_linear,
    to_srgb,
)

# The silhouette is drawn this much larger and averaged down: an edge without stairs.
SUPERSAMPLE = 4
# Beyond this distance from its half-transparent contour, an object changes no pixel.
FOOTPRINT_PX = 6
Point = tuple[float, float]


@dataclass(frozen=True)
class Placed:
    """An object to paste.

    Attributes:
        kind: a key of `KINDS`.
        centre: (x, y) as parts of the photo's width and height; may lie near or past the border.
        size: length of the object's frame as a part of the photo's shorter side.
        turn_deg: rotation, clockwise as seen.
        softness_px: blur of its edge; larger where the object is out of focus.
    """

    kind: str
    centre: Point
    size: float
    turn_deg: float = 0.0
    softness_px: float = 1.2


def _strokes(
    canvas: Mask,
    to_px: Callable[[Point], tuple[int, int]],
    scale: float,
    paths: Sequence[tuple[Sequence[Point], float]],
) -> None:
    """Draw round-ended strokes, given as points and a width in frame units."""
    for points, width in paths:
        corners = np.array([to_px(point) for point in points], np.int32)
        cv2.polylines(canvas, [corners], False, (255,), max(round(width * scale), 1), cv2.LINE_AA)
        for x, y in corners.tolist():
            cv2.circle(canvas, (x, y), round(width * scale / 2), (255,), -1)


def _curve(points: Sequence[Point], steps: int = 40) -> list[Point]:
    """Smooth a polyline: a Catmull-Rom spline through its points."""
    padded = [points[0], *points, points[-1]]
    smooth: list[Point] = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        for t in np.linspace(0, 1, steps, endpoint=False):
            weights = (
                -t + 2 * t * t - t**3,
                2 - 5 * t * t + 3 * t**3,
                t + 4 * t * t - 3 * t**3,
                t**3 - t * t,
            )
            smooth.append(
                (
                    float(sum(w * p[0] for w, p in zip(weights, (a, b, c, d), strict=True)) / 2),
                    float(sum(w * p[1] for w, p in zip(weights, (a, b, c, d), strict=True)) / 2),
                )
            )
    return [*smooth, points[-1]]


# Silhouettes: strokes (points, width) in a frame of -1..1, x right, y down.
SILHOUETTES: dict[str, list[tuple[Sequence[Point], float]]] = {
    "hand": [
        (_curve([(-1.3, 0.32), (-0.75, 0.14), (-0.35, 0.02)]), 0.40),
        ([(-0.30, 0.0), (-0.05, -0.02)], 0.52),
        (_curve([(-0.05, -0.20), (0.28, -0.30), (0.58, -0.26)]), 0.135),
        (_curve([(0.05, -0.06), (0.42, -0.10), (0.74, -0.03)]), 0.145),
        (_curve([(0.03, 0.08), (0.38, 0.09), (0.68, 0.16)]), 0.135),
        (_curve([(-0.02, 0.18), (0.28, 0.24), (0.48, 0.32)]), 0.115),
        (_curve([(-0.30, -0.14), (-0.10, -0.42), (0.16, -0.56)]), 0.16),
    ],
    "ball": [([(0.0, 0.0), (0.0, 0.0)], 1.5)],
    "leash": [
        (_curve([(-1.0, 0.62), (-0.62, 0.30), (-0.30, 0.44), (0.08, 0.12), (0.42, -0.16)]), 0.085),
        (
            _curve(
                [
                    (0.42, -0.16),
                    (0.50, -0.52),
                    (0.80, -0.66),
                    (0.92, -0.36),
                    (0.72, -0.12),
                    (0.42, -0.16),
                ]
            ),
            0.075,
        ),
        ([(0.36, -0.10), (0.46, -0.20)], 0.15),
    ],
    "toy": [
        ([(-0.45, 0.0), (0.45, 0.0)], 0.30),
        ([(-0.56, -0.18), (-0.56, -0.17)], 0.40),
        ([(-0.56, 0.18), (-0.56, 0.17)], 0.40),
        ([(0.56, -0.18), (0.56, -0.17)], 0.40),
        ([(0.56, 0.18), (0.56, 0.17)], 0.40),
    ],
    "legs": [
        (_curve([(-0.30, -1.3), (-0.32, -0.3), (-0.34, 0.50)]), 0.36),
        (_curve([(0.22, -1.3), (0.30, -0.3), (0.36, 0.42)]), 0.36),
    ],
    "shoes": [
        (_curve([(-0.36, 0.66), (-0.44, 0.78), (-0.62, 0.84)]), 0.27),
        (_curve([(0.36, 0.58), (0.42, 0.72), (0.58, 0.80)]), 0.27),
    ],
    "cushion": [([(-0.42, 0.0), (0.42, 0.0)], 0.62), ([(-0.5, 0.22), (0.5, 0.22)], 0.40)],
}


def silhouette(item: Placed, shape: tuple[int, int]) -> Field:
    """Draw an object's alpha in its place: FP32 [H,W], 0 to 1, soft-edged."""
    height, width = shape
    big = np.zeros((height * SUPERSAMPLE, width * SUPERSAMPLE), np.uint8)
    scale = item.size * min(shape) / 2 * SUPERSAMPLE
    angle = np.deg2rad(item.turn_deg)
    cosine, sine = float(np.cos(angle)), float(np.sin(angle))
    x0, y0 = item.centre[0] * width * SUPERSAMPLE, item.centre[1] * height * SUPERSAMPLE

    def to_px(point: Point) -> tuple[int, int]:
        x, y = point
        return (
            round(x0 + (x * cosine - y * sine) * scale),
            round(y0 + (x * sine + y * cosine) * scale),
        )

    _strokes(big, to_px, scale, SILHOUETTES[item.kind])
    small = cv2.resize(big, (width, height), interpolation=cv2.INTER_AREA)
    alpha = blur(small.astype(np.float32) / 255, item.softness_px)
    core = (alpha >= 0.5).astype(np.uint8)
    distance = cv2.distanceTransform(1 - core, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.where(distance > FOOTPRINT_PX - 0.5, 0, alpha).astype(np.float32)


def _relief(alpha: Field) -> Field:
    """Light a silhouette as if it were round: FP32 [H,W] shade, about 0.3 to 1.2."""
    core = (alpha >= 0.5).astype(np.uint8)
    depth = cv2.distanceTransform(core, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    cap = max(float(np.percentile(depth[core > 0], 90)), 2.0)
    t = np.clip(depth / cap, 0, 1)
    height = blur((cap * np.sqrt(np.clip(1 - (1 - t) ** 2, 0, 1))).astype(np.float32), cap / 8 + 1)
    slope_y, slope_x = np.gradient(height)
    lambert = (0.42 * slope_x + 0.62 * slope_y + 0.75) / np.sqrt(1 + slope_x**2 + slope_y**2)
    return np.asarray(0.38 + 0.72 * np.clip(lambert, 0, 1), np.float32)


def _hand(rng: Random, shape: tuple[int, int]) -> Field:
    return mix(
        0.5 + 0.28 * octaves(rng, shape, 60, 5, 0.7), colour(226, 172, 146), colour(190, 124, 100)
    )


def _ball(rng: Random, shape: tuple[int, int]) -> Field:
    felt = octaves(rng, shape, 6, 3, 0.8)
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32) / min(shape)
    seam = smoothstep(np.abs(np.sin(9 * x + 3 * np.sin(6 * y))).astype(np.float32), 0.05, 0.11)
    body = mix(0.5 + 0.2 * felt, colour(206, 222, 74), colour(166, 184, 50))
    return mix(seam, colour(236, 236, 226), body)


def _leash(rng: Random, shape: tuple[int, int]) -> Field:
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    weave = np.sin(x * 1.9 + y * 0.4) * np.sin(y * 1.9 - x * 0.4)
    tone = 0.5 + 0.35 * weave + 0.15 * octaves(rng, shape, 25, 3)
    return mix(tone.astype(np.float32), colour(196, 34, 44), colour(122, 14, 26))


def _toy(rng: Random, shape: tuple[int, int]) -> Field:
    return mix(
        0.5 + 0.2 * octaves(rng, shape, 30, 5, 0.7), colour(64, 128, 206), colour(36, 84, 160)
    )


def _legs(rng: Random, shape: tuple[int, int]) -> Field:
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    twill = np.sin((x + y) * 1.6) * 0.22 + 0.14 * octaves(rng, shape, 80, 6, 0.7)
    return mix((0.5 + twill).astype(np.float32), colour(74, 92, 132), colour(36, 46, 74))


def _shoes(rng: Random, shape: tuple[int, int]) -> Field:
    return mix(0.5 + 0.2 * octaves(rng, shape, 30, 5, 0.7), colour(122, 82, 52), colour(72, 46, 30))


def _cushion(rng: Random, shape: tuple[int, int]) -> Field:
    return mix(
        0.5 + 0.15 * octaves(rng, shape, 40, 4), colour(208, 208, 214), colour(126, 128, 136)
    )


KINDS: dict[str, Callable[[Random, tuple[int, int]], Field]] = {
    "hand": _hand,
    "ball": _ball,
    "leash": _leash,
    "toy": _toy,
    "legs": _legs,
    "shoes": _shoes,
    "cushion": _cushion,
}


def paste(
    rng: Random, truth: Pixels, items: Sequence[Placed], grain: float = 1.0
) -> tuple[Pixels, Mask]:
    """Put objects into a picture.

    Args:
        rng: source of randomness.
        truth: UINT8 [H,W,3] RGB, the picture without them.
        items: the objects, back to front.
        grain: sensor noise on the objects, as in `sensor_noise`.

    Returns:
        The photo, UINT8 [H,W,3], equal to `truth` farther than `FOOTPRINT_PX` from the objects;
        and the objects' mask, UINT8 [H,W], 255 where they cover at least half of a pixel.
    """
    shape = truth.shape[:2]
    light = to_linear(truth)
    touched: NDArray[np.bool_] = np.zeros(shape, bool)
    mask = np.zeros(shape, np.uint8)
    for item in items:
        alpha = silhouette(item, (shape[0], shape[1]))
        surface = KINDS[item.kind](rng, (shape[0], shape[1])) * _relief(alpha)[..., None]
        surface = sensor_noise(rng, blur(surface.astype(np.float32), 0.7), grain)
        over = alpha[..., None]
        light = np.asarray(light * (1 - over) + surface * over, np.float32)
        touched = touched | (alpha > 0)
        mask[alpha >= 0.5] = 255
    photo = np.where(touched[..., None], to_srgb(light), truth)
    return photo.astype(np.uint8), mask
