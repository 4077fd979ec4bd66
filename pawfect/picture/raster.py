"""OpenCV's image operations with exact types: float32 stays float32, channels stay channels.

The last bits of OpenCV's blurs depend on the processor. Where a choice follows from one, it is
taken in doubles, and rounding to float32 makes it the same on (nearly) all.
"""

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray


def box_mean_resize(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Shrink [H, W, C] to (height, width) by averaging."""
    out = cv2.resize(values, size[::-1], interpolation=cv2.INTER_AREA)
    return _as_channels(out, values.ndim)


def linear_resize(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize [H, W, C] to (height, width) linearly."""
    out = cv2.resize(values, size[::-1], interpolation=cv2.INTER_LINEAR)
    return _as_channels(out, values.ndim)


def cubic_resize(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Enlarge [H, W, C] to (height, width) without facets."""
    out = cv2.resize(values, size[::-1], interpolation=cv2.INTER_CUBIC)
    return _as_channels(out, values.ndim)


def shrink(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Shrink an image [H, W, 3] to (height, width) by averaging."""
    out = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
    return cast("NDArray[np.uint8]", out)


def enlarge(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Enlarge an image [H, W, 3] to (height, width) without facets."""
    out = cv2.resize(image, size[::-1], interpolation=cv2.INTER_CUBIC)
    return cast("NDArray[np.uint8]", out)


def shrink_any(flags: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Shrink flags [H, W] to (height, width): set where any covered pixel is."""
    out = cv2.resize(flags.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(out > 1e-6)


def gaussian(values: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Blur [H, W] or [H, W, C] with a Gaussian of `sigma` px, in doubles."""
    wide = values.astype(np.float64)
    out = cv2.GaussianBlur(wide, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    return _as_channels(out.astype(np.float32), values.ndim)


def convolve(
    values: NDArray[np.float32],
    kernel: NDArray[np.float32],
    *,
    border: int = cv2.BORDER_REFLECT_101,
) -> NDArray[np.float32]:
    """Correlate [H, W] or [H, W, C] with a kernel of a few px."""
    return _as_channels(cv2.filter2D(values, -1, kernel, borderType=border), values.ndim)


def convolve_wide(values: NDArray[np.float32], kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Correlate [H, W] with a kernel of some 20 px, in doubles."""
    out = cv2.filter2D(values.astype(np.float64), -1, kernel.astype(np.float64))
    return cast("NDArray[np.float32]", out.astype(np.float32))


def convolve_separable(
    values: NDArray[np.float32], rows: NDArray[np.float32], columns: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Correlate [H, W] with `columns` (vertically) times `rows` (horizontally), in doubles."""
    out = cv2.sepFilter2D(values.astype(np.float64), cv2.CV_64F, rows, columns)
    return cast("NDArray[np.float32]", out.astype(np.float32))


def grow(flags: NDArray[np.bool_], radius: int, *, border: bool = False) -> NDArray[np.bool_]:
    """Set every pixel within a square of `radius` px of a set one; `border`: as is the outside."""
    if radius < 1:
        return flags
    out = cv2.dilate(
        flags.astype(np.uint8),
        np.ones((2 * radius + 1, 2 * radius + 1), np.uint8),
        borderType=cv2.BORDER_CONSTANT,
        borderValue=(float(border),),
    )
    return np.asarray(out > 0)


def surrounding(flags: NDArray[np.bool_], margin: int) -> tuple[slice, slice]:
    """Index the box around the set pixels of [H, W] with a margin, px, within the picture."""
    rows, columns = np.flatnonzero(flags.any(1)), np.flatnonzero(flags.any(0))
    return (
        slice(max(0, int(rows[0]) - margin), int(rows[-1]) + 1 + margin),
        slice(max(0, int(columns[0]) - margin), int(columns[-1]) + 1 + margin),
    )


def to_lab(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Convert RGB 0-255 to CIELAB, L 0-100."""
    out = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    return cast("NDArray[np.float32]", out)


def to_lab_bytes(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert RGB to CIELAB in bytes: L 0-255, a and b + 128. Whole numbers, so always the same."""
    return cast("NDArray[np.uint8]", cv2.cvtColor(image, cv2.COLOR_RGB2LAB))


def distance_to(flags: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Measure each pixel's Euclidean distance, px, to the nearest set one.

    The root of a whole number, rounded once. OpenCV's own last bit depends on where in memory its
    output happens to lie, and with it every threshold on these distances.
    """
    out = cv2.distanceTransform((~flags).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    exact = np.sqrt(np.rint(out.astype(np.float64) ** 2)).astype(np.float32)
    return cast("NDArray[np.float32]", exact)


def squared_distance_to(flags: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Measure each pixel's squared distance, px2, to the nearest of the pixels that are 1.

    Whole numbers, for the reason that `distance_to` has; exact up to 4096 px, where float32 ends.

    Args:
        flags: UINT8 [H, W], 0 or 1.
    """
    out = cv2.distanceTransform(1 - flags, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    np.multiply(out, out, out=out)
    return cast("NDArray[np.float32]", np.rint(out, out=out))


def to_pixels(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Round and clip to 0-255."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _as_channels(out: object, ndim: int) -> NDArray[np.float32]:
    """Give back the last axis that OpenCV drops from one-channel images."""
    array = cast("NDArray[np.float32]", out)
    return array if array.ndim == ndim else array[..., None]
