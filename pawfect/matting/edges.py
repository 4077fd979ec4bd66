"""Alpha at a photo's full size, refined along fur and whiskers; and how steep its edge is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.cutout import EDGES
from pawfect.matting.foreground import as_bytes
from pawfect.matting.guided import applied, between, read_only, trimap
from pawfect.matting.matted import matted
from pawfect.patch.kept import compiled
from pawfect.picture import raster
from pawfect.stop import Stop, look, never

Floats = NDArray[np.float32]


def refine(photo: NDArray[np.uint8], alpha: Floats, mode: str, stop: Stop = never) -> Floats:
    """Return alpha at a photo's size.

    Args:
        photo: UINT8 [H, W, 3] RGB.
        alpha: FLOAT32 [h, w], 0 to 1, as a network gave it of the whole photo at its own size.
        mode: none: enlarged, linearly. guided: by `pawfect.matting.guided`; at 12 MP it took 0.3 s
            of a core and 200 bytes per px of a copy of 512 px beside the answer. matting: by
            `pawfect.matting.matted`, from where guided ends; it took at most 1.6 s and 230 MB at
            12 MP, 2.5 s and 320 MB at 110 MP, the answer included.
        stop: says whether the answer is waited for.

    Returns:
        FLOAT32 [H, W], 0 to 1: the enlarged alpha itself where the network was sure.

    Raises:
        PawfectError: CANCELLED.
        ValueError: an unknown mode, arrays of other types, alpha without a pixel, or NaN.
    """
    _check(photo, alpha, mode)
    alpha = np.clip(alpha, 0, 1)
    full = raster.linear_resize(alpha, (photo.shape[0], photo.shape[1]))
    look(stop)
    if mode == "none" or not np.ptp(alpha) > 0:
        return full
    if mode == "matting":
        matted(photo, alpha, full, stop)
    else:
        applied(photo, between(trimap(photo, alpha)), full)
    return full


def _check(photo: NDArray[Any], alpha: NDArray[Any], mode: str) -> None:
    if mode not in EDGES:
        raise ValueError(f"edges: expected one of {', '.join(EDGES)}, got {mode}")
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or not photo.size:
        got = f"{photo.dtype} {list(photo.shape)}"
        raise ValueError(f"photo: expected uint8 [H, W, 3], got {got}")
    if alpha.dtype != np.float32 or alpha.ndim != 2 or not alpha.size:
        got = f"{alpha.dtype} {list(alpha.shape)}"
        raise ValueError(f"alpha: expected float32 [h, w], got {got}")
    if np.isnan(alpha).any():
        raise ValueError("alpha: expected numbers of 0 to 1, got NaN")


def sharpness(alpha: NDArray[Any]) -> float | None:
    """Say how steep an edge is: one over its width in px.

    It is the mean length of alpha's gradient (forward differences), weighted by that length: 1/w
    for a straight edge that rises evenly over w px, 1 for a hard one.

    Args:
        alpha: [H, W], UINT8 or FLOAT32 of 0 to 1, rounded to 255ths.

    Returns:
        Above 0, at most 1; None where alpha is the same everywhere.

    Raises:
        ValueError: alpha is of another type, or holds NaN.
    """
    lengths, squares = _steepness(read_only(as_bytes(alpha)))
    return min(1.0, squares / lengths / 255) if lengths else None


@compiled
def _steepness(alpha: Any) -> Any:
    """Return the sums of the gradient's lengths and of their squares, in 255ths per px."""
    height, width = alpha.shape
    lengths, squares = 0.0, np.int64(0)
    for y in range(height):
        below = min(y + 1, height - 1)
        for x in range(width):
            value = np.int64(alpha[y, x])
            across = np.int64(alpha[y, min(x + 1, width - 1)]) - value
            down = np.int64(alpha[below, x]) - value
            square = across * across + down * down
            if square:
                squares += square
                lengths += np.sqrt(np.float64(square))
    return lengths, np.float64(squares)
