"""The frame of a line of text: upright, its baseline level, its letters always equally high."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.picture.box import Box

LINE_PX: Final = 72
"""px: height of the quad in its frame. Letters of 48 px and so: their shapes are told apart well,
and thirty faces are tried in under a second."""
MARGIN: Final = (1.0, 0.6)
"""Of the line's height, beside it and above and below: what is seen of the ground around the
letters. Longer words may spread that far sideways."""
WIDEST: Final = 40.0
"""Of the line's height: the longest line that is looked at in one frame."""


@dataclass(frozen=True, eq=False)
class Frame:
    """Where a line of text lies in its photo.

    Attributes:
        to_photo: FP64 [3, 3], homography from px of the frame to px of the photo; a pixel's centre
            has whole coordinates in both.
        width: px.
        height: px.
        line: the quad, px of the frame.
        scale: px of the frame per px of the photo, across the line.
    """

    to_photo: NDArray[np.float64]
    width: int
    height: int
    line: Box
    scale: float


def frame_of(quad: NDArray[np.float32]) -> Frame:
    """Return the frame of a line whose corners are known.

    Args:
        quad: FP32 [4, 2], x and y, px of the photo, clockwise from the text's own upper left.
    """
    corners = quad.astype(np.float64)
    across = np.linalg.norm(corners[[3, 2]] - corners[[0, 1]], axis=1).mean()
    along = np.linalg.norm(corners[[1, 2]] - corners[[0, 3]], axis=1).mean()
    scale = LINE_PX / max(across, 1.0)
    length = round(max(min(along * scale, WIDEST * LINE_PX), 8))
    beside, above = (round(share * LINE_PX) for share in MARGIN)
    line = Box(beside, above, beside + length, above + LINE_PX)
    inner = [(line.x0, line.y0), (line.x1, line.y0), (line.x1, line.y1), (line.x0, line.y1)]
    matrix = cv2.getPerspectiveTransform(np.array(inner, np.float32), quad.astype(np.float32))
    width, height = length + 2 * beside, LINE_PX + 2 * above
    return Frame(np.asarray(matrix, np.float64), width, height, line, float(scale))


def in_part(frame: Frame, x: int, y: int) -> Frame:
    """Return a frame as it lies in the part of its photo that begins at x and y, px."""
    shift = np.array([(1, 0, -x), (0, 1, -y), (0, 0, 1)], np.float64)
    return replace(frame, to_photo=shift @ frame.to_photo)


def box_quad(x: float, y: float, width: float, height: float) -> NDArray[np.float32]:
    """Return the corners of a box, FP32 [4, 2], px."""
    return np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], np.float32)


def rectified(image: NDArray[np.float32], frame: Frame) -> NDArray[np.float32]:
    """Return what a frame shows of a photo.

    Args:
        image: FP32 [H, W] or [H, W, C].
        frame: of a line in it.

    Returns:
        FP32 [frame.height, frame.width] or with C channels; beyond the photo its edge goes on.
    """
    if frame.scale < 1:
        # A picture that is shrunk is first blurred by what its new pixels average.
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), 0.45 / frame.scale), np.float32)
    shown = cv2.warpPerspective(
        image,
        frame.to_photo,
        (frame.width, frame.height),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(shown, np.float32)


def mapped(points: NDArray[np.float64], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map points [n, 2] by a homography [3, 3]."""
    moved = np.c_[points, np.ones(len(points))] @ matrix.T
    return np.asarray(moved[:, :2] / moved[:, 2:], np.float64)


def turned(
    x: NDArray[np.float32], y: NDArray[np.float32], matrix: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Map grids of x and y, of one shape, by a homography [3, 3]."""
    matrix = matrix.astype(np.float32)
    w = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
    return (
        (matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]) / w,
        (matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]) / w,
    )
