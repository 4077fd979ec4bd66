"""At which size a photo is looked at for text, and the pieces of it that are read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from rapidocr.utils.process_img import get_padding_h, get_rotate_crop_image

from pawfect.picture import raster

# px: what the detector raises a smaller photo's shorter side to, and the size for which RapidOCR
# has that; of a smaller size the same share.
LEAST_SIDE: Final = 736
USUAL_SIZE: Final = 2000
# But to no more than so many times what it is: enlarging shows nothing that is not there, and each
# photo of the smallest size would take 0.7 s of CPU for 0.1.
MOST_RAISED: Final = 4
# A longer shape is a strip, which is padded, as RapidOCR has it for wide ones.
STRIP: Final = 8.0
# px: with one on both sides a strip is seen at all: the detector takes multiples of 32.
LEAST_PADDING: Final = 16
# px: height of a line as the recogniser sees it. Text that was seen smaller is cut out of the photo
# itself: of words 10 to 12 px high in a photo of 12 MP that read 5 of 9, out of what was seen 1.
LINE_PX: Final = 48
# A box this much higher than wide holds text from the side, as RapidOCR has it.
_UPRIGHT: Final = 1.5


@dataclass(frozen=True, eq=False)
class View:
    """A photo as it is looked at.

    Attributes:
        picture: UINT8 [h, w, 3] RGB, scaled and padded.
        scale: x and y, px of the picture for one of the photo.
        margin: left and top, px of padding.
        least_side: px to which the detector raises its shorter side.
    """

    picture: NDArray[np.uint8]
    scale: tuple[float, float]
    margin: tuple[int, int]
    least_side: int

    def to_photo(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return points [..., 2] of the picture, x and y in px, as points of the photo."""
        margin, scale = np.array(self.margin, np.float32), np.array(self.scale, np.float32)
        return (points - margin) / scale


def view_of(photo: NDArray[np.uint8], size: int) -> View:
    """Return a photo as it is looked at.

    A photo whose longer side is at most `size` is looked at as it is, as RapidOCR does. A larger
    one is shrunk to that, but its shorter side not below 736 px of 2000, to which the detector
    raises a smaller one, up to four times. A strip, more than 8 times as long as wide, is shrunk to
    size x size px with its padding, and is not raised.

    Args:
        photo: UINT8 [H, W, 3] RGB.
        size: px.
    """
    height, width = photo.shape[:2]
    longer, shorter = max(height, width), min(height, width)
    strip = longer > STRIP * shorter
    padding, least = 0, min(LEAST_SIDE, LEAST_SIDE * size // USUAL_SIZE)
    least_side = min(least, MOST_RAISED * shorter)
    if longer <= size:
        seen = photo
        if strip:
            padding = get_padding_h(shorter, longer, STRIP, 0)
            least_side = min(least, MOST_RAISED * (shorter + 2 * padding))
    elif not strip:
        seen = _shrunk(photo, max(size / longer, min(least / shorter, 1.0)))
    else:
        seen, least_side = _shrunk(photo, min(size / math.sqrt(2 * longer * shorter), 1.0)), 1
        padding = max(min(seen.shape[:2]) // 2, LEAST_PADDING)
    ratio = seen.shape[1] / width, seen.shape[0] / height
    return View(_padded(seen, padding), ratio, _margin(seen, padding), least_side)


def cut_out(
    view: View, photo: NDArray[np.uint8], quad: NDArray[np.float32]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Cut one text out, from the photo itself where it was seen too small to read.

    Args:
        view: of the photo.
        photo: UINT8 [H, W, 3] RGB.
        quad: FP32 [4, 2], px of the view's picture, clockwise from its upper left there.

    Returns:
        The text upright or on its head, UINT8 [h, w, 3] BGR, and its corners in px of the photo,
        clockwise from the piece's own upper left.
    """
    wide, high = _sides(quad)
    on_photo = view.to_photo(quad)
    small = min(wide, high) < LINE_PX and max(view.scale) < 1
    source, corners = (photo, on_photo) if small else (view.picture, quad)
    wide, high = _sides(corners)
    piece = get_rotate_crop_image(source, corners)
    # It turns what is from the side to the left: what was its upper right is then its upper left.
    rolled = np.roll(on_photo, -1, axis=0) if high / wide >= _UPRIGHT else on_photo
    return np.ascontiguousarray(piece[..., ::-1]), rolled


def _sides(quad: NDArray[np.float32]) -> tuple[int, int]:
    """Return width and height, px, of the piece that RapidOCR cuts out."""
    across, down = np.roll(quad, -1, axis=0) - quad, np.roll(quad, 1, axis=0) - quad
    wide = max(np.linalg.norm(across[0]), np.linalg.norm(across[2]))
    high = max(np.linalg.norm(down[0]), np.linalg.norm(across[1]))
    return max(int(wide), 1), max(int(high), 1)


def _shrunk(photo: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    height, width = (max(round(side * scale), 1) for side in photo.shape[:2])
    return photo if scale == 1 else raster.shrink(photo, (height, width))


def _margin(photo: NDArray[np.uint8], padding: int) -> tuple[int, int]:
    return (0, padding) if photo.shape[1] > photo.shape[0] else (padding, 0)


def _padded(photo: NDArray[np.uint8], padding: int) -> NDArray[np.uint8]:
    if not padding:
        return photo
    left, top = _margin(photo, padding)
    black = cv2.copyMakeBorder(photo, top, top, left, left, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    return np.asarray(black, np.uint8)
