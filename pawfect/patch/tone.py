"""Tone of a copied fill: a screened Poisson equation on the copies' gradients.

Perez, Gangnet and Blake, "Poisson image editing", SIGGRAPH 2003, screened towards the copies' own
colours (Bhat et al., ECCV 2008), with each edge weighed by how well the copies agree across it: an
object that ends at the rim is not smeared into the hole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pawfect.patch.kept import compiled
from pawfect.stop import Stop, look

SCREEN: Final = 1e-4
"""Pull towards the copies' own colours: the rim's fades over some 1 / sqrt(SCREEN) = 100 px."""
EDGE: Final = 60.0
"""Levels of 255 by which two copies differ across an edge that counts half."""
FEW: Final = 64  # unknowns that need no coarser grid
STIFF: Final = 0.4
MOST_STEPS: Final = 400
BLOCK: Final = 2**21
"""Unknowns times steps between two looks at `stop`: under 0.1 s."""
ACCURACY: Final = 0.1  # levels of 255, about: off by up to 0.2 in the mean and 2.4 at most

Array = NDArray[Any]
_ACROSS: Final = np.array([[-1, 0], [1, 0], [0, -1], [0, 1]])


def with_tone(
    image: NDArray[np.uint8],
    banned: NDArray[np.bool_],
    ys: NDArray[np.int64],
    xs: NDArray[np.int64],
    source: NDArray[np.int32],
    copies: NDArray[np.float64],
    stop: Stop,
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
        stop: looked at every 0.1 s or so.

    Returns:
        FLOAT64 [N, 3].

    Raises:
        PawfectError: CANCELLED, since `stop` said so.
    """
    look(stop)
    number = np.full(source.shape, -1, np.int32)
    number[ys, xs] = np.arange(ys.size)
    others, weights, right = _equations(
        image, banned.view(np.uint8), ys, xs, source, number, copies, _ACROSS
    )
    diagonal = SCREEN + weights.sum(1)
    weights[others < 0] = 0.0
    system = _System(ys, xs, diagonal, np.maximum(others, 0, out=others), weights)
    return _solved(system, right, copies, stop)


@dataclass(frozen=True, eq=False)
class _System:
    """A linear system on some pixels, each tied to its four neighbours.

    Attributes:
        ys: [N], rows.
        xs: columns.
        diagonal: [N].
        others: INT32 [N, 4], the neighbours' numbers, any where there is none.
        weights: [N, 4], 0 where there is no neighbour.
    """

    ys: Array
    xs: Array
    diagonal: Array
    others: Array
    weights: Array


def _solved(system: _System, right: Array, start: Array, stop: Stop) -> Array:
    """Solve for [N, 3], from a start that is mended on coarser grids first.

    The coarser grids join 2 x 2 pixels into one value, which is too stiff by half (Braess,
    "Towards algebraic multigrid for elliptic problems of second order", 1995).
    """
    n = system.ys.size
    look(stop)
    if n > FEW:
        coarse, parent = _coarser(system)
        rest = right - _applied(system.diagonal, system.others, system.weights, start)
        sums = np.stack(
            [np.bincount(parent, rest[:, k], coarse.ys.size) for k in range(start.shape[1])], 1
        )
        start = start + _solved(coarse, sums, np.zeros_like(sums), stop)[parent]
    most = 4 * n * SCREEN * ACCURACY**2
    state = _begun(system.diagonal, system.others, system.weights, right, start)
    block = max(1, BLOCK // n)
    for done in range(0, MOST_STEPS, block):
        look(stop)
        steps = min(block, MOST_STEPS - done)
        if _descended(system.diagonal, system.others, system.weights, *state, most, steps):
            break
    return np.asarray(state[0])


def _coarser(system: _System) -> tuple[_System, Array]:
    """Join 2 x 2 pixels; return each pixel's new number too."""
    width = int(system.xs.max()) // 2 + 1
    places, parent = np.unique(system.ys // 2 * width + system.xs // 2, return_inverse=True)
    diagonal, others, weights = _joined(
        system.diagonal, system.others, system.weights, parent, places.size
    )
    return _System(places // width, places % width, diagonal, others, weights), parent


@compiled
def _joined(diagonal: Array, others: Array, weights: Array, parent: Array, number: int) -> Any:
    """Add up the equations of joined pixels; ties between joined ones fall away."""
    total = np.zeros(number)
    linked, strength = np.zeros((number, 4), np.int32), np.zeros((number, 4))
    for i in range(parent.size):
        own = parent[i]
        total[own] += diagonal[i]
        for e in range(4):
            if weights[i, e] == 0.0:
                continue
            other = parent[others[i, e]]
            if other == own:
                total[own] -= weights[i, e]
            else:
                total[own] -= STIFF * weights[i, e]
                linked[own, e] = other
                strength[own, e] += (1 - STIFF) * weights[i, e]
    return total, linked, strength


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
    others = np.full((ys.size, 4), -1, np.int32)
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
def _applied(diagonal: Array, others: Array, weights: Array, value: Array) -> Any:
    """Multiply the system's matrix by [N, 3]."""
    out = np.empty_like(value)
    for i in range(value.shape[0]):
        d, p, q, r, s = diagonal[i], others[i, 0], others[i, 1], others[i, 2], others[i, 3]
        up, down, left, right = weights[i, 0], weights[i, 1], weights[i, 2], weights[i, 3]
        for k in range(3):
            out[i, k] = (
                d * value[i, k]
                - (up * value[p, k] + down * value[q, k])
                - (left * value[r, k] + right * value[s, k])
            )
    return out


@compiled
def _begun(diagonal: Array, others: Array, weights: Array, right: Array, start: Array) -> Any:
    """Begin conjugate gradients: return the value, its residual, a direction, and energies."""
    n = start.shape[0]
    value, residual = start.copy(), right - _applied(diagonal, others, weights, start)
    direction, energy = np.empty_like(value), np.zeros(3)
    for i in range(n):
        inverse = 1.0 / diagonal[i]
        for k in range(3):
            direction[i, k] = residual[i, k] * inverse
            energy[k] += residual[i, k] * direction[i, k]
    return value, residual, direction, energy


@compiled
def _descended(
    diagonal: Array,
    others: Array,
    weights: Array,
    value: Array,
    residual: Array,
    direction: Array,
    energy: Array,
    most: float,
    steps: int,
) -> Any:
    """Go on by conjugate gradients, preconditioned by the diagonal; say whether it is solved."""
    n = value.shape[0]
    along, step, share = np.zeros(3), np.zeros(3), np.zeros(3)
    for _ in range(steps):
        if energy.max() <= most:
            return True
        response = _applied(diagonal, others, weights, direction)
        along[:] = 0.0
        for i in range(n):
            for k in range(3):
                along[k] += response[i, k] * direction[i, k]
        for k in range(3):
            step[k] = energy[k] / along[k] if along[k] > 0.0 else 0.0
            share[k] = energy[k]
            energy[k] = 0.0
        for i in range(n):
            inverse = 1.0 / diagonal[i]
            for k in range(3):
                value[i, k] += step[k] * direction[i, k]
                rest = residual[i, k] - step[k] * response[i, k]
                residual[i, k] = rest
                energy[k] += rest * rest * inverse
        for k in range(3):
            share[k] = energy[k] / share[k] if share[k] > 0.0 else 0.0
        for i in range(n):
            inverse = 1.0 / diagonal[i]
            for k in range(3):
                direction[i, k] = residual[i, k] * inverse + share[k] * direction[i, k]
    return energy.max() <= most
