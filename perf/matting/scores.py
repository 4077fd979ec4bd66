"""How far an alpha is from the true one, and what of the old background a cut-out keeps.

SAD, MSE, gradient and connectivity error are those of Rhemann et al., "A perceptually motivated
online benchmark for image matting", CVPR 2009. That benchmark takes them over the unknown band of a
trimap; here, where the network finds the subject itself, they are taken over the whole picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.picture import raster

# Of the paper: what agreed best with people's judgement in its study.
GRADIENT_SIGMA_PX: Final = 1.4
CONNECTIVITY_THETA: Final = 0.15
# Levels of alpha at which connectivity is looked at, as in the benchmark's evaluation.
CONNECTIVITY_LEVELS: Final = 10
# A Gaussian derivative is cut off where it is under this.
CUT_OFF: Final = 1e-2
# How far from the true edge a halo is looked for, px: a person sees a rim of that width.
HALO_PX: Final = 3
# What a cut-out is laid on to see its halo, RGB: far from grass, sand and fur.
NEW_BACKGROUNDS: Final = ((255, 255, 255), (0, 177, 64))


@dataclass(frozen=True)
class Scores:
    """Errors of one alpha; 0 is best in all but `iou`, where 1 is.

    Attributes:
        sad: sum of absolute differences of alpha (0 to 1), in thousands of px.
        mse: mean square difference of alpha (0 to 1), in thousandths.
        gradient: Rhemann's gradient error, in thousands.
        connectivity: Rhemann's connectivity error, in thousands.
        iou: intersection over union of both above 0.5; 1 where both are empty.
        halo: mean CIE76 colour error along the true edge over new backgrounds; None without one.
    """

    sad: float
    mse: float
    gradient: float
    connectivity: float
    iou: float
    halo: float | None


def sad(alpha: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    """Return the sum of absolute differences of two UINT8 [H, W], in thousands of full px."""
    return float(cv2.absdiff(alpha, truth).sum(dtype=np.int64)) / 255 / 1000


def mse(alpha: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    """Return the mean square difference of two UINT8 [H, W], as alpha 0 to 1, in thousandths."""
    return float(np.square(_unit(alpha) - _unit(truth)).mean(dtype=np.float64)) * 1000


def iou(alpha: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    """Return intersection over union of two UINT8 [H, W] at 0.5; 1 where both are empty."""
    both, either = (alpha >= 128) & (truth >= 128), (alpha >= 128) | (truth >= 128)
    return float(both.sum() / either.sum()) if either.any() else 1.0


def gradient_error(alpha: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    """Return the sum of square differences of both alphas' gradient magnitudes, in thousands.

    Gradients are those of Gaussian derivatives of 1.4 px, each filter of norm 1, as the benchmark
    has them; q = 2.

    Args:
        alpha: UINT8 [H, W].
        truth: UINT8 [H, W].
    """
    return float(((_gradient(alpha) - _gradient(truth)) ** 2).sum()) / 1000


def connectivity_error(alpha: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    """Return the sum of differences of both alphas' degrees of connectivity, in thousands.

    The source region is, at each level, the largest 4-connected region where both alphas reach it;
    a pixel's degree is 1 less how far its alpha is above the last level that connects it, from
    theta = 0.15 on. p = 1 and lambda = 1, as in the evaluation code that is in use.

    Args:
        alpha: UINT8 [H, W].
        truth: UINT8 [H, W].
    """
    connected = _connected_level(np.minimum(alpha, truth))
    degrees = [_degree(_unit(one), connected) for one in (alpha, truth)]
    return float(np.abs(degrees[0] - degrees[1]).sum(dtype=np.float64)) / 1000


def halo(
    alpha: NDArray[np.uint8],
    colour: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    true_colour: NDArray[np.uint8],
) -> float | None:
    """Return how far a cut-out over a new background is from the right one, along the true edge.

    Args:
        alpha: UINT8 [H, W], the cut-out's.
        colour: UINT8 [H, W, 3] RGB, the cut-out's colours, not multiplied by alpha.
        truth: UINT8 [H, W].
        true_colour: UINT8 [H, W, 3] RGB, of the subject itself.

    Returns:
        The mean CIE76 distance over `NEW_BACKGROUNDS` within `HALO_PX` of where the true alpha is
        neither 0 nor 255, or crosses 0.5; None where it does not.
    """
    band = edge_band(truth)
    if not band.any():
        return None
    errors = []
    for background in NEW_BACKGROUNDS:
        laid = [
            _lab(over(source, opacity, background)[band])
            for source, opacity in ((colour, alpha), (true_colour, truth))
        ]
        errors.append(float(np.sqrt(((laid[0] - laid[1]) ** 2).sum(-1)).mean()))
    return math.fsum(errors) / len(errors)


def scores(
    alpha: NDArray[np.uint8],
    colour: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    true_colour: NDArray[np.uint8],
) -> Scores:
    """Return all errors of one cut-out; arguments as `halo`."""
    return Scores(
        sad(alpha, truth),
        mse(alpha, truth),
        gradient_error(alpha, truth),
        connectivity_error(alpha, truth),
        iou(alpha, truth),
        halo(alpha, colour, truth, true_colour),
    )


def edge_band(truth: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return where a halo would be seen, bool [H, W]; nowhere where the alpha has no edge."""
    inside = truth >= 128
    soft = (truth > 0) & (truth < 255)
    soft[:, 1:] |= inside[:, 1:] != inside[:, :-1]
    soft[1:] |= inside[1:] != inside[:-1]
    return raster.grow(soft, HALO_PX)


def over(
    colour: NDArray[np.uint8],
    alpha: NDArray[np.uint8],
    background: NDArray[np.uint8] | tuple[int, int, int],
) -> NDArray[np.uint8]:
    """Lay a colour UINT8 [H, W, 3] with its alpha UINT8 [H, W] on a background of that size."""
    opacity = _unit(alpha)[..., None]
    laid = colour * opacity + np.asarray(background, np.float32) * (1 - opacity)
    return np.rint(laid).astype(np.uint8)


def _unit(alpha: NDArray[np.uint8]) -> NDArray[np.float32]:
    return alpha.astype(np.float32) / 255


def _lab(colours: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return colours [N, 3] as CIELAB [N, 3]."""
    return np.asarray(raster.to_lab(np.ascontiguousarray(colours[None]))[0], np.float32)


def _gradient(alpha: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the gradient's magnitude, FP64 [H, W]; the picture goes on as at its border."""
    smooth, slope = _gaussian_pair(GRADIENT_SIGMA_PX)
    values = alpha.astype(np.float64) / 255
    across, down = (
        cv2.sepFilter2D(values, cv2.CV_64F, rows, columns, borderType=cv2.BORDER_REPLICATE)
        for rows, columns in ((slope, smooth), (smooth, slope))
    )
    return np.asarray(np.hypot(across, down), np.float64)


def _gaussian_pair(sigma: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a Gaussian and its derivative; the outer product of the two has norm 1."""
    half = math.ceil(sigma * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * sigma * CUT_OFF)))
    x = np.arange(-half, half + 1, dtype=np.float64)
    smooth = np.exp(-(x**2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))
    slope = -x / sigma**2 * smooth
    return smooth / np.linalg.norm(smooth), slope / np.linalg.norm(slope)


def _connected_level(common: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the last level at which each pixel is connected to the source region of its level.

    A level counts only where all below it do, FP32 [H, W] 0 to 1, 0 where none does.

    Args:
        common: UINT8 [H, W], the smaller of both alphas.
    """
    level = np.zeros(common.shape, np.float32)
    going = np.ones(common.shape, np.bool_)
    for step in range(1, CONNECTIVITY_LEVELS + 1):
        # In whole numbers: no level is missed by a rounded one.
        reached = (common.astype(np.int32) * CONNECTIVITY_LEVELS >= 255 * step).astype(np.uint8)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(reached, connectivity=4)
        if count < 2:
            break
        going &= labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
        level[going] = step / CONNECTIVITY_LEVELS
    return level


def _degree(alpha: NDArray[np.float32], connected: NDArray[np.float32]) -> NDArray[np.float32]:
    above = alpha - connected
    return np.asarray(1 - above * (above >= CONNECTIVITY_THETA), np.float32)
