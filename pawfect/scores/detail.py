"""Fine detail of a fill against its ring: sharpness, grain, spectrum, and steps of flat colour."""

from __future__ import annotations

import itertools
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.scores.closeup import Closeup

# Immerkaer's operator, blind to slopes: "Fast noise variance estimation", CVIU 1996.
_NOISE: Final = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_NOISE_BLOCK_PX: Final = 9
# Texture only adds to grain: it is read where there is least of both.
_CALMEST: Final = 0.2
# Of the operator's answer, levels of 255: rounding alone gives some 2.
_LEAST_NOISE: Final = 0.5
# Standard deviations, px, of the blurs that part the bands, an octave each: what is seen as grain
# and texture, and what is seen as tufts, tiles and shadows.
FINE: Final = (0.0, 0.8, 1.6, 3.2, 6.4)
COARSE: Final = (3.2, 6.4, 12.8)
# Squared levels of 255 in a band: a quarter of the rounding error's energy.
_LEAST_ENERGY: Final = 1 / 48
# Range of luma in the ring, levels of 255, below which a photo has no detail to compare with.
_PLAIN: Final = 2.0


def plain(close: Closeup, luma: NDArray[np.float32]) -> bool:
    """Say whether neither the fill nor its ring has any detail."""
    seen = luma[close.inside | close.ring]
    return float(seen.max() - seen.min()) < _PLAIN


def sharpness_gap(close: Closeup, image: NDArray[np.uint8]) -> float:
    """Return by how much finest detail in the fill differs from that around, as |log ratio|.

    As `sharpness_ratio`, in the closeup's own ring, so that no distances are needed at full size.

    Args:
        close: the hole and its surroundings.
        image: UINT8 [H, W, 3] RGB, the same at the photo's own size.
    """
    detail = cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_32F)
    cv2.multiply(detail, detail, detail)
    inside, around = (
        float(cv2.mean(detail, _enlarged(side, image))[0]) for side in (close.inside, close.ring)
    )
    return abs(float(np.log((inside + _LEAST_ENERGY) / (around + _LEAST_ENERGY))))


def grain_gap(close: Closeup, luma: NDArray[np.float32]) -> float:
    """Return by how much grain in the fill's calmest parts differs from the ring's, |log ratio|.

    Args:
        close: the hole and its surroundings.
        luma: FLOAT32 [h, w] of its image, 0 to 255.
    """
    noise = np.abs(cv2.filter2D(luma, -1, _NOISE))
    inside, around = (_calmest(noise, side) for side in (close.inside, close.ring))
    return abs(float(np.log((inside + _LEAST_NOISE) / (around + _LEAST_NOISE))))


def spectrum_gap(close: Closeup, luma: NDArray[np.float32], blurs: tuple[float, ...]) -> float:
    """Return by how much amplitudes differ between fill and ring, the mean |log ratio| of bands.

    Args:
        close: the hole and its surroundings.
        luma: FLOAT32 [h, w] of its image, 0 to 255.
        blurs: what parts the bands, px; FINE or COARSE.
    """
    levels = [cv2.GaussianBlur(luma, (0, 0), s) if s else luma for s in blurs]
    gaps = []
    for finer, coarser in itertools.pairwise(levels):
        energy = (finer - coarser) ** 2
        inside, around = (float(energy[side].mean()) for side in (close.inside, close.ring))
        gaps.append(abs(0.5 * float(np.log((inside + _LEAST_ENERGY) / (around + _LEAST_ENERGY)))))
    return float(np.mean(gaps))


def flat_excess(close: Closeup) -> float:
    """Return how much more of the fill than of its ring is flat, -1 to 1: a gradient in steps.

    A pixel is flat where its 3 x 3 neighbourhood has one colour, which grain prevents.
    """
    square = np.ones((3, 3), np.uint8)
    flat = (cv2.dilate(close.image, square) == cv2.erode(close.image, square)).all(-1)
    return float(flat[close.inside].mean() - flat[close.ring].mean())


def _enlarged(side: NDArray[np.bool_], image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    size = (image.shape[1], image.shape[0])
    out = cv2.resize(side.view(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return np.asarray(out, np.uint8)


def _calmest(noise: NDArray[np.float32], side: NDArray[np.bool_]) -> float:
    weight, size = side.astype(np.float32), (_NOISE_BLOCK_PX, _NOISE_BLOCK_PX)
    nearby = cv2.blur(noise * weight, size) / np.maximum(cv2.blur(weight, size), 1e-3)
    return float(np.quantile(nearby[side], _CALMEST))
