"""What was cut out, laid on what `output` says."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.picture import raster

# The original package's.
GREEN: Final = (120, 255, 155)
WHITE: Final = (255, 255, 255)
# Standard deviation of `blur` as a share of the photo's longer side: 15 px of 1024, as there.
BLUR_SHARE: Final = 15 / 1024
# Blurred at this deviation, px, the rest by shrinking before: the eye sees no difference.
_BLUR_PX: Final = 4.0
# Rows that are laid at a time: floats of a whole photo of 12 MP would be 144 MB each.
_ROWS: Final = 256


def laid(
    output: str,
    photo: NDArray[np.uint8],
    alpha: NDArray[np.uint8],
    foreground: NDArray[np.uint8],
    background: NDArray[np.uint8] | None,
) -> NDArray[np.uint8]:
    """Return CUTOUT.

    Args:
        output: as in `CutoutParams`, not None.
        photo: UINT8 [H, W, 3] RGB.
        alpha: UINT8 [H, W].
        foreground: UINT8 [H, W, 3] RGB, the subject's own colours.
        background: UINT8 [h, w, 3] RGB, any size, of `output=background`: scaled until it covers
            the photo, its middle shown.

    Returns:
        UINT8 [H, W, 4] RGBA; opaque but for `rgba`.
    """
    if output == "rgba":
        return np.dstack([foreground, alpha])
    opaque = np.full(alpha.shape, 255, np.uint8)
    if output == "map":
        return np.dstack([alpha, alpha, alpha, opaque])
    if output == "background":
        assert background is not None
        ground = _covering(background, alpha.shape)
    elif output == "blur":
        ground = _blurred(photo, alpha)
    else:
        ground = np.empty_like(photo)
        ground[:] = _colour(output)
    return np.dstack([over(foreground, alpha, ground), opaque])


def over(
    foreground: NDArray[np.uint8], alpha: NDArray[np.uint8], ground: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Lay colours, UINT8 [H, W, 3], on others by alpha, UINT8 [H, W], rounded to nearest."""
    out = np.empty_like(ground)
    for top in range(0, alpha.shape[0], _ROWS):
        rows = slice(top, top + _ROWS)
        share = alpha[rows, :, None].astype(np.uint32)
        mixed = foreground[rows] * share + ground[rows] * (255 - share)
        out[rows] = (mixed + 127) // 255
    return out


def _colour(output: str) -> tuple[int, ...]:
    named = {"green": GREEN, "white": WHITE}
    return named[output] if output in named else tuple(bytes.fromhex(output[1:]))


def _covering(picture: NDArray[np.uint8], size: tuple[int, ...]) -> NDArray[np.uint8]:
    height, width = size
    factor = max(height / picture.shape[0], width / picture.shape[1])
    tall = max(height, round(factor * picture.shape[0]))
    wide = max(width, round(factor * picture.shape[1]))
    resize = raster.shrink if factor < 1 else raster.enlarge
    scaled = resize(picture, (tall, wide)) if factor != 1 else picture
    top, left = (tall - height) // 2, (wide - width) // 2
    return np.ascontiguousarray(scaled[top : top + height, left : left + width])


def _blurred(photo: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Blur what is not the subject, without colours of the subject in it."""
    height, width = alpha.shape
    sigma = BLUR_SHARE * max(height, width)
    factor = max(1.0, sigma / _BLUR_PX)
    size = max(1, round(height / factor)), max(1, round(width / factor))
    known = raster.box_mean_resize((255 - alpha).astype(np.float32)[..., None], size)[..., 0] / 255
    ground = raster.shrink(over(photo, np.bitwise_not(alpha), np.zeros_like(photo)), size)
    share = cv2.GaussianBlur(known, (0, 0), sigma / factor)
    total = cv2.GaussianBlur(ground.astype(np.float32), (0, 0), sigma / factor)
    usual = total.sum((0, 1)) / max(float(share.sum()), 1e-6)
    # Deep in the subject nothing is known; there it is of the mean colour, under the subject.
    mixed = np.where(share[..., None] > 1e-3, total / np.maximum(share, 1e-3)[..., None], usual)
    return raster.enlarge(raster.to_pixels(mixed), (height, width))
