"""Where a face lies in the square that face networks are shown, as ArcFace aligns it.

The similarity transform of least squares (Umeyama, 1991, PAMI 13(4)) from the five points to
ArcFace's template, as `insightface.utils.face_align.norm_crop2` has it, to the last bit: in the
points' own 32 bits, as scikit-image computes it there.
"""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import invalid

NETWORK_PX: Final = 128
"""px: side of the square that the swapping network takes."""
# px of 112: the eyes, the tip of the nose, the corners of the mouth (insightface, face_align.py).
_TEMPLATE_112: Final = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ],
    np.float32,
)
# px: what a square of 128 has more on its left.
_SHIFT: Final = 8.0
LEAST_CROP_PX: Final = 48.0
"""px of the photo, side of the square: below, the eyes of a face are less than 13 px apart, and the
network would be shown 2.7 times what there is."""
# Of the points' own spread in the template: what of it may lie beside the template's points. The
# profile of a face has some half, a mirrored or shuffled set of points nearly all of it.
_MOST_OFF: Final = 0.8


def template(size: int) -> NDArray[np.float32]:
    """Return where the five points are to lie, FP32 [5, 2], px of a square of a side.

    Args:
        size: px, a multiple of 128.
    """
    ratio = float(size) / NETWORK_PX
    points = _TEMPLATE_112 * np.float32(ratio)
    points[:, 0] += np.float32(_SHIFT * ratio)
    return np.asarray(points, np.float32)


def alignment(points: NDArray[np.float32], size: int) -> NDArray[np.float64]:
    """Return the transform from the photo to a face's square.

    Args:
        points: FP32 [5, 2] as `pawfect.contract.faces.Face` has them.
        size: the square's side, px, a multiple of 128.

    Returns:
        FP64 [2, 3]: x and y of the photo to x and y of the square, both px from a pixel's centre.

    Raises:
        PawfectError: INVALID_ARG for points that are not finite, that all but coincide, or that are
            no face's.
    """
    if not np.isfinite(points).all():
        raise invalid("POINTS", "finite numbers", "some that are not")
    wanted = template(size)
    if float(points.var(axis=0).sum()) == 0:
        raise invalid("POINTS", "five points of a face", "one point five times")
    matrix = _similarity(points, wanted)
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    off = transformed(matrix, points) - wanted
    spread = float(np.sqrt(np.square(wanted - wanted.mean(axis=0)).sum()))
    if not np.isfinite(matrix).all() or float(np.sqrt(np.square(off).sum())) > _MOST_OFF * spread:
        raise invalid("POINTS", "eyes, nose and mouth of one face, left ones first", "other ones")
    if size < LEAST_CROP_PX * scale:
        got = f"one whose square has {size / scale:.0f} px"
        raise invalid("POINTS", f"a face whose square has at least {LEAST_CROP_PX:.0f} px", got)
    return matrix


def aligned(photo: NDArray[np.uint8], matrix: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    """Return a face's square, UINT8 [size, size, C], bilinear, black outside of the photo."""
    return np.asarray(cv2.warpAffine(photo, matrix, (size, size), borderValue=(0.0,)), np.uint8)


def transformed(
    matrix: NDArray[np.float64], points: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    """Return points [N, 2] after a transform [2, 3]."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float64)


def inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the transform [2, 3] that leads back."""
    back = np.linalg.inv(matrix[:, :2])
    return np.column_stack([back, -back @ matrix[:, 2]])


def _similarity(points: NDArray[np.float32], wanted: NDArray[np.float32]) -> NDArray[np.float64]:
    """Fit rotation, scale and shift; equations 34 to 43 of Umeyama's."""
    mean, wanted_mean = points.mean(axis=0), wanted.mean(axis=0)
    centred = points - mean
    covariance = (wanted - wanted_mean).T @ centred / len(points)
    signs = np.ones(2)
    if np.linalg.det(covariance) < 0:
        signs[1] = -1
    left, values, right = np.linalg.svd(covariance)
    if np.linalg.matrix_rank(covariance) == 1:
        signs[1] = 1 if np.linalg.det(left) * np.linalg.det(right) > 0 else -1
    rotation = np.asarray(left @ np.diag(signs) @ right, np.float64)
    scale = 1.0 / centred.var(axis=0).sum() * (values @ signs)
    matrix = np.empty((2, 3))
    matrix[:, 2] = wanted_mean - scale * (rotation @ mean.T)
    matrix[:, :2] = rotation * scale
    return matrix
