"""Tone of a copied fill: a screened Poisson equation on the copies' gradients.

Perez, Gangnet and Blake, "Poisson image editing", SIGGRAPH 2003, screened towards the copies' own
colours (Bhat et al., ECCV 2008), with each edge weighed by how well the copies agree across it: an
object that ends at the rim is not smeared into the hole.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pawfect.patch.core import compiled

SCREEN: Final = 3e-4
"""Pull towards the copies' own colours: the rim's fades over some 1 / sqrt(SCREEN) = 58 px."""
EDGE: Final = 30.0
"""Levels of 255 by which two copies differ across an edge that counts half."""
MOST_STEPS: Final = 400
ACCURACY: Final = 0.03  # levels of 255, about, by which a solved tone is off

Array = NDArray[Any]
_ACROSS: Final = np.array([[-1, 0], [1, 0], [0, -1], [0, 1]])


def with_tone(
    image: NDArray[np.uint8],
    banned: NDArray[np.bool_],
    ys: NDArray[np.int64],
    xs: NDArray[np.int64],
    source: NDArray[np.int32],
    copies: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Shift copied colours so that they meet each other and what lies outside the rim.

    Args:
        image: UINT8 [H, W, 3].
        banned: [H, W], what the hole's colours are not to meet.
        ys: [N], the hole's rows.
        xs: its columns.
        source: [H, W], flat index of where each hole pixel comes from, -1 elsewhere; whole patches
            of 3 x 3 px around it are known.
        copies: [N, 3], levels of 255.

    Returns:
        FLOAT64 [N, 3].
    """
    number = np.full(source.shape, -1, np.int64)
    number[ys, xs] = np.arange(ys.size)
    others, weights, right = _equations(
        image, banned.view(np.uint8), ys, xs, source, number, copies, _ACROSS
    )
    diagonal = SCREEN + weights.sum(1)
    inner = np.where(others >= 0, weights, 0.0)
    linked = np.maximum(others, 0)
    out = np.empty_like(copies)
    for channel in range(3):
        start = np.ascontiguousarray(copies[:, channel])
        aim = np.ascontiguousarray(right[:, channel])
        out[:, channel] = _solved(diagonal, linked, inner, aim, start)
    return out


@compiled
def _equations(
    image: Array,
    banned: Array,
    ys: Array,
    xs: Array,
    source: Array,
    number: Array,
    copies: Array,
    across: Array,
) -> Any:
    """Set up each pixel's equation: its neighbours, their weights, and the right side."""
    h, w = source.shape
    others = np.full((ys.size, 4), -1, np.int64)
    weights, right = np.zeros((ys.size, 4)), SCREEN * copies
    for i in range(ys.size):
        y, x = ys[i], xs[i]
        sy = source[y, x] // w
        sx = source[y, x] - sy * w
        for e in range(4):
            dy, dx = across[e, 0], across[e, 1]
            ny, nx = y + dy, x + dx
            if ny < 0 or nx < 0 or ny >= h or nx >= w or banned[ny, nx]:
                continue
            # Beyond the edge lies another copy, or the photo itself.
            inside = number[ny, nx] >= 0
            ty = source[ny, nx] // w if inside else ny
            tx = source[ny, nx] - ty * w if inside else nx
            apart = 0.0
            for k in range(3):
                d = float(image[sy + dy, sx + dx, k]) - float(image[ty, tx, k])
                apart += d * d
                if inside:
                    d = float(image[ty - dy, tx - dx, k]) - float(image[sy, sx, k])
                    apart += d * d
            share = 1.0 / (1.0 + (0.5 * apart if inside else apart) / (EDGE * EDGE))
            weights[i, e] = share
            others[i, e] = number[ny, nx]
            for k in range(3):
                slope = float(image[sy, sx, k]) - float(image[sy + dy, sx + dx, k])
                if inside:
                    there = float(image[ty - dy, tx - dx, k]) - float(image[ty, tx, k])
                    right[i, k] += share * 0.5 * (slope + there)
                else:
                    right[i, k] += share * (slope + float(image[ny, nx, k]))
    return others, weights, right


@compiled
def _solved(diagonal: Array, others: Array, weights: Array, right: Array, start: Array) -> Any:
    """Solve by conjugate gradients, preconditioned by the diagonal."""
    n = start.size
    value, direction = start.copy(), np.empty(n)
    residual, response = np.empty(n), np.empty(n)
    energy = 0.0
    for i in range(n):
        r = right[i] - diagonal[i] * start[i]
        for e in range(4):
            r += weights[i, e] * start[others[i, e]]
        residual[i], direction[i] = r, r / diagonal[i]
        energy += r * direction[i]
    for _ in range(MOST_STEPS):
        if energy <= 4 * n * SCREEN * ACCURACY * ACCURACY:
            break
        along = 0.0
        for i in range(n):
            v = diagonal[i] * direction[i]
            for e in range(4):
                v -= weights[i, e] * direction[others[i, e]]
            response[i] = v
            along += v * direction[i]
        step, before, energy = energy / along, energy, 0.0
        for i in range(n):
            value[i] += step * direction[i]
            residual[i] -= step * response[i]
            energy += residual[i] * residual[i] / diagonal[i]
        for i in range(n):
            direction[i] = residual[i] / diagonal[i] + energy / before * direction[i]
    return value
