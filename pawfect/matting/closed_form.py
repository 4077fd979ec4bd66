"""Closed-form matting (Levin, Lischinski and Weiss, IEEE TPAMI 2008), of the unknown pixels alone.

Alpha is taken for a linear function of the colours in every 3x3 window; that makes a sparse
system with 25 entries per unknown pixel, solved by conjugate gradients. It is the system of
pymatting's `estimate_alpha_cf`, which holds 400 bytes for each pixel of the picture, known or not,
and compiles for a minute when imported; here an unknown pixel takes 350 bytes and a known one 5.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pawfect.patch.kept import compiled
from pawfect.stop import Stop, look, never

Floats = NDArray[np.float32]

# The paper's regularisation of a window's colours, of 0 to 1: pymatting's own value.
EPSILON: Final = 1e-7
# Iterations between two looks at the clock: some tenths of a second for the most unknown pixels.
_AT_ONCE: Final = 25
# The residual's norm against its first, at which the answer is taken.
_TOLERANCE: Final = 1e-4


def closed_form(
    image: Floats,
    alpha: Floats,
    unknown: NDArray[np.bool_],
    hold: Floats | None = None,
    iterations: int = 200,
    stop: Stop = never,
) -> Floats:
    """Solve for alpha where it is unknown.

    Args:
        image: FLOAT32 [h, w, 3], 0 to 1.
        alpha: FLOAT32 [h, w], 0 to 1: what is known, and where the search starts.
        unknown: bool [h, w].
        hold: FLOAT32 [h, w], how strongly an unknown pixel holds to the alpha that it starts from,
            against the smoothness of one window; None: not at all.
        iterations: at most so many; what is reached by then is the answer.
        stop: says whether the answer is waited for.

    Returns:
        FLOAT32 [h, w], 0 to 1; `alpha` itself where it is known, and everywhere in pictures
        narrower than a window.

    Raises:
        PawfectError: CANCELLED.
    """
    solved = alpha.copy()
    if min(alpha.shape) < 3 or not unknown.any():
        return solved
    places = np.flatnonzero(unknown).astype(np.int64)
    index = np.full(alpha.shape, -1, np.int32)
    index.ravel()[places] = np.arange(len(places), dtype=np.int32)
    values = np.zeros((len(places), 25))
    _assemble(np.ascontiguousarray(image), index, values, EPSILON)
    look(stop)
    start = alpha.ravel()[places].astype(np.float64)
    held = np.zeros(len(places)) if hold is None else hold.ravel()[places].astype(np.float64)
    columns = np.empty((len(places), 25), np.int32)
    right = held * start
    _link(index, places, alpha, values, held, columns, right)
    state = np.zeros((4, len(places)))
    state[0] = start
    norms = _begin(values, columns, right, state)
    target = norms[1] * _TOLERANCE**2
    for done in range(0, iterations, _AT_ONCE):
        look(stop)
        norms = _iterate(values, columns, state, norms, target, min(_AT_ONCE, iterations - done))
        if norms[1] <= target:
            break
    solved.ravel()[places] = np.clip(state[0], 0, 1)
    return solved


@compiled
def _assemble(image: Any, index: Any, values: Any, epsilon: Any) -> None:
    """Add up the matting Laplacian's rows of unknown pixels, [K, 25] by row and column offset."""
    height, width = index.shape
    centred = np.empty((9, 3))
    solved = np.empty((9, 3))
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            any_unknown = False
            for n in range(9):
                if index[y + n // 3 - 1, x + n % 3 - 1] >= 0:
                    any_unknown = True
            if not any_unknown:
                continue
            for c in range(3):
                mean = 0.0
                for n in range(9):
                    centred[n, c] = np.float64(image[y + n // 3 - 1, x + n % 3 - 1, c])
                    mean += centred[n, c]
                for n in range(9):
                    centred[n, c] -= mean / 9
            rr = gg = bb = epsilon
            rg = rb = gb = 0.0
            for n in range(9):
                r, g, b = centred[n, 0], centred[n, 1], centred[n, 2]
                rr += r * r
                gg += g * g
                bb += b * b
                rg += r * g
                rb += r * b
                gb += g * b
            # Covariances are ninths of these sums; so is the whole term.
            first, second, third = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
            fifth, sixth, last = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
            scale = 1 / (rr * first + rg * second + rb * third)
            for n in range(9):
                r, g, b = centred[n, 0], centred[n, 1], centred[n, 2]
                solved[n, 0] = (first * r + second * g + third * b) * scale
                solved[n, 1] = (second * r + fifth * g + sixth * b) * scale
                solved[n, 2] = (third * r + sixth * g + last * b) * scale
            for n in range(9):
                row = index[y + n // 3 - 1, x + n % 3 - 1]
                if row < 0:
                    continue
                for m in range(9):
                    affinity = 1.0 / 9
                    for c in range(3):
                        affinity += solved[n, c] * centred[m, c]
                    offset = (m // 3 - n // 3 + 2) * 5 + m % 3 - n % 3 + 2
                    values[row, offset] += (1.0 if n == m else 0.0) - affinity


@compiled
def _link(
    index: Any, places: Any, alpha: Any, values: Any, held: Any, columns: Any, right: Any
) -> None:
    """Move what is known to the right side, and say which unknown each entry belongs to."""
    height, width = index.shape
    for row in range(len(places)):
        y, x = places[row] // width, places[row] % width
        values[row, 12] += held[row]
        for n in range(25):
            v, u = y + n // 5 - 2, x + n % 5 - 2
            columns[row, n] = row
            if v < 0 or u < 0 or v >= height or u >= width:
                values[row, n] = 0.0
            elif index[v, u] >= 0:
                columns[row, n] = index[v, u]
            else:
                right[row] -= values[row, n] * np.float64(alpha[v, u])
                values[row, n] = 0.0


@compiled
def _begin(values: Any, columns: Any, right: Any, state: Any) -> Any:
    """Set residual and direction of `state` [4, K]: alpha, residual, direction, a product."""
    scaled = 0.0
    for row in range(len(right)):
        residual = right[row]
        for n in range(25):
            residual -= values[row, n] * state[0, columns[row, n]]
        state[1, row] = residual
        state[2, row] = residual / values[row, 12]
        scaled += residual * state[2, row]
    return scaled, scaled


@compiled
def _iterate(
    values: Any, columns: Any, state: Any, norms: Any, target: Any, iterations: Any
) -> Any:
    """Take some steps of conjugate gradients, scaled by the diagonal."""
    scaled = norms[0]
    unknowns = state.shape[1]
    for _ in range(iterations):
        if scaled <= target:
            break
        along = 0.0
        for row in range(unknowns):
            product = 0.0
            for n in range(25):
                product += values[row, n] * state[2, columns[row, n]]
            state[3, row] = product
            along += product * state[2, row]
        if along <= 0.0:
            break
        step = scaled / along
        after = 0.0
        for row in range(unknowns):
            state[0, row] += step * state[2, row]
            state[1, row] -= step * state[3, row]
            after += state[1, row] * state[1, row] / values[row, 12]
        for row in range(unknowns):
            state[2, row] = state[1, row] / values[row, 12] + after / scaled * state[2, row]
        scaled = after
    return scaled, scaled
