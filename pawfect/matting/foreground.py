"""The colours of what is cut out, without what was behind it.

Foreground and background are estimated together on a small copy, by the multi-level method of
Germer et al. (Fast Multi-Level Foreground Estimation, ICPR 2020), and each pixel's own colour then
says where between them it differs. On the fur set that comes nearer to the truth than the method
run on the full picture, at a fraction of its time and memory.
"""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.matting.guided import read_only, work_size
from pawfect.patch.kept import compiled
from pawfect.picture import raster
from pawfect.stop import Stop, look, never

Floats = NDArray[np.float32]

# Longer side of the copy on which colours are estimated, px.
ESTIMATE_PX: Final = 768
# The paper's settings: iterations on levels up to so many px and on larger ones, and weights.
_SMALL_PX: Final = 32
_SMALL_ITERATIONS: Final = 10
_LARGE_ITERATIONS: Final = 2
_REGULARIZATION: Final = np.float32(1e-5)
_GRADIENT_WEIGHT: Final = np.float32(1.0)
# How strongly a pixel's estimates hold against its own colour. On the fur set colours were off by
# 3.86, 2.85, 2.71 of 255 with 1, 0.1, 0.02 (of a first picture, mixed over new backgrounds).
_HOLD: Final = np.float32(0.02)
# Rows worked on at once: some MB of enlarged estimates at any photo's size.
_ROWS: Final = 64


def foreground(
    photo: NDArray[np.uint8], alpha: NDArray[Any], stop: Stop = never
) -> NDArray[np.uint8]:
    """Estimate a subject's own colours.

    Beside the answer it takes 60 bytes per px of a copy of 768 px (36 MB at most) and some 50 bytes
    per px of 64 rows.

    Args:
        photo: UINT8 [H, W, 3] RGB.
        alpha: [H, W], UINT8 or FLOAT32 of 0 to 1, rounded to 255ths.
        stop: says whether the answer is waited for.

    Returns:
        UINT8 [H, W, 3] RGB: the photo's own where alpha is 255; where it is 0 the nearby subject's
        colour, smoothly, so that nothing dark or old comes in where a viewer interpolates. The
        photo itself where alpha is nowhere above 0.

    Raises:
        PawfectError: CANCELLED.
        ValueError: the sizes differ, or alpha is no number.
    """
    opacity = as_bytes(alpha)
    if opacity.shape != photo.shape[:2]:
        raise ValueError(f"expected alpha {list(photo.shape[:2])}, got {list(opacity.shape)}")
    if not opacity.any() or opacity.min() == 255:
        return np.array(photo, order="C")
    size = work_size((photo.shape[0], photo.shape[1]), ESTIMATE_PX)
    image = raster.shrink(photo, size).astype(np.float32) / np.float32(255)
    small = cv2.resize(opacity, size[::-1], interpolation=cv2.INTER_AREA)
    share = small.astype(np.float32) / np.float32(255)
    look(stop)
    front, back = estimate(image, share, stop)
    given, opacity = read_only(photo), read_only(opacity)
    own = np.empty(photo.shape, np.uint8)
    for top in range(0, len(photo), _ROWS):
        look(stop)
        rows = slice(top, min(top + _ROWS, len(photo)))
        _lay(given, opacity, front, back, own, rows.start, rows.stop)
    return own


def as_bytes(alpha: NDArray[Any]) -> NDArray[np.uint8]:
    """Return alpha as UINT8.

    Raises:
        ValueError: it is neither UINT8 nor FLOAT32, or holds NaN.
    """
    if alpha.dtype == np.uint8:
        return alpha
    if alpha.dtype != np.float32:
        raise ValueError(f"expected alpha UINT8 or FLOAT32, got {alpha.dtype}")
    if np.isnan(alpha).any():
        raise ValueError("expected alpha of 0 to 1, got NaN")
    opacity: NDArray[np.uint8] = np.rint(np.clip(alpha, 0, 1) * np.float32(255)).astype(np.uint8)
    return opacity


def estimate(image: Floats, alpha: Floats, stop: Stop = never) -> tuple[Floats, Floats]:
    """Estimate foreground and background of a picture, level by level.

    Args:
        image: FLOAT32 [h, w, 3], 0 to 1.
        alpha: FLOAT32 [h, w], 0 to 1.
        stop: says whether the answer is waited for.

    Returns:
        Foreground and background, FLOAT32 [h, w, 3], 0 to 1.
    """
    height, width = alpha.shape
    front = np.zeros((1, 1, 3), np.float32) + _mean(image, alpha > 0.9)
    back = np.zeros((1, 1, 3), np.float32) + _mean(image, alpha < 0.1)
    levels = max(1, int(np.ceil(np.log2(max(height, width)))))
    for level in range(levels + 1):
        look(stop)
        size = round(height ** (level / levels)), round(width ** (level / levels))
        front, back = _nearest(front, size), _nearest(back, size)
        small = max(size) <= _SMALL_PX
        _sweep(
            _nearest(image, size),
            _nearest(alpha, size),
            front,
            back,
            _SMALL_ITERATIONS if small else _LARGE_ITERATIONS,
            _REGULARIZATION,
            _GRADIENT_WEIGHT,
        )
    return front, back


def _mean(image: Floats, where: NDArray[np.bool_]) -> Floats:
    total = image[where].sum(0, dtype=np.float64)
    return np.asarray(total / (np.count_nonzero(where) + 1e-5), np.float32)


def _nearest(values: Floats, size: tuple[int, int]) -> Floats:
    """Return values at (height, width), each the nearest's towards the origin."""
    rows = np.arange(size[0]) * values.shape[0] // size[0]
    columns = np.arange(size[1]) * values.shape[1] // size[1]
    return np.ascontiguousarray(values[rows[:, None], columns[None, :]])


@compiled
def _sweep(
    image: Any, alpha: Any, front: Any, back: Any, iterations: Any, regular: Any, steep: Any
) -> None:
    """Solve for each pixel's two colours with its neighbours' as they are, row by row, in place."""
    height, width = alpha.shape
    one, zero = np.float32(1), np.float32(0)
    for _ in range(iterations):
        for y in range(height):
            for x in range(width):
                a = alpha[y, x]
                b = one - a
                aa, ab, bb = a * a, a * b, b * b
                f0, f1, f2 = a * image[y, x, 0], a * image[y, x, 1], a * image[y, x, 2]
                b0, b1, b2 = b * image[y, x, 0], b * image[y, x, 1], b * image[y, x, 2]
                for side in range(4):
                    v, u = y, x
                    if side == 0:
                        u = max(x - 1, 0)
                    elif side == 1:
                        u = min(x + 1, width - 1)
                    elif side == 2:
                        v = max(y - 1, 0)
                    else:
                        v = min(y + 1, height - 1)
                    weight = regular + steep * abs(a - alpha[v, u])
                    aa += weight
                    bb += weight
                    f0 += weight * front[v, u, 0]
                    f1 += weight * front[v, u, 1]
                    f2 += weight * front[v, u, 2]
                    b0 += weight * back[v, u, 0]
                    b1 += weight * back[v, u, 1]
                    b2 += weight * back[v, u, 2]
                scale = one / (aa * bb - ab * ab)
                p, q, r = scale * bb, -scale * ab, scale * aa
                front[y, x, 0] = max(zero, min(one, p * f0 + q * b0))
                front[y, x, 1] = max(zero, min(one, p * f1 + q * b1))
                front[y, x, 2] = max(zero, min(one, p * f2 + q * b2))
                back[y, x, 0] = max(zero, min(one, q * f0 + r * b0))
                back[y, x, 1] = max(zero, min(one, q * f1 + r * b1))
                back[y, x, 2] = max(zero, min(one, q * f2 + r * b2))


@compiled
def _lay(photo: Any, alpha: Any, front: Any, back: Any, own: Any, first: Any, end: Any) -> None:
    """Enlarge the estimates onto some rows, and give each pixel its share of what they leave."""
    height, width = alpha.shape
    small_height, small_width = front.shape[:2]
    down, across = np.float32(small_height / height), np.float32(small_width / width)
    half, one, zero, full = np.float32(0.5), np.float32(1), np.float32(0), np.float32(255)
    for y in range(first, end):
        v = min(max((np.float32(y) + half) * down - half, zero), np.float32(small_height - 1))
        top = int(v)
        bottom = min(top + 1, small_height - 1)
        dv = v - np.float32(top)
        for x in range(width):
            if alpha[y, x] == 255:
                own[y, x, 0] = photo[y, x, 0]
                own[y, x, 1] = photo[y, x, 1]
                own[y, x, 2] = photo[y, x, 2]
                continue
            u = min(max((np.float32(x) + half) * across - half, zero), np.float32(small_width - 1))
            left = int(u)
            right = min(left + 1, small_width - 1)
            du = u - np.float32(left)
            nw, ne = (one - dv) * (one - du), (one - dv) * du
            sw, se = dv * (one - du), dv * du
            a = np.float32(alpha[y, x]) / full
            b = one - a
            part = a / (a * a + b * b + _HOLD)
            for c in range(3):
                value = (
                    nw * front[top, left, c]
                    + ne * front[top, right, c]
                    + sw * front[bottom, left, c]
                    + se * front[bottom, right, c]
                )
                if a > zero:
                    behind = (
                        nw * back[top, left, c]
                        + ne * back[top, right, c]
                        + sw * back[bottom, left, c]
                        + se * back[bottom, right, c]
                    )
                    value += part * (np.float32(photo[y, x, c]) / full - a * value - b * behind)
                own[y, x, c] = np.uint8(max(zero, min(one, value)) * full + half)
