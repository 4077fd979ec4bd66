"""Masks from what editors export."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pawfect.contract.errors import invalid
from pawfect.contract.tensors import MASK_THRESHOLD
from pawfect.photo.colour import rgb_and_alpha
from pawfect.photo.exif import turn_upright
from pawfect.photo.image_file import decode_file, read_file
from pawfect.photo.photo import Photo, PhotoSize

# How far the channels of one painted colour may lie apart: lossy WebP and colour management move
# them.
_SAME_COLOUR: Final = 16


def load_mask(path: Path | str, photo: Photo | None = None) -> NDArray[np.uint8]:
    """Read a mask from a JPEG, PNG or WebP file; see `decode_mask`."""
    path = Path(path)
    return decode_mask(read_file(path, path.name), photo, path.name)


def decode_mask(
    data: bytes, photo: Photo | PhotoSize | None = None, name: str = "mask"
) -> NDArray[np.uint8]:
    """Read a mask from the content of a JPEG, PNG or WebP file.

    - Without transparency: the brightness (ITU-R 601 luma). White = fill, black = keep.
    - With transparency, painted in one colour, whatever it is (white, red or black strokes on a
      transparent layer): the opacity. What is painted = fill.
    - With transparency, painted in greys: the brightness of what is painted; what is transparent =
      keep.
    - With transparency and several colours it is no mask (a photo with a hole cut out, for one,
      where what is transparent is meant) and is refused.

    Args:
        data: the file's content; its EXIF orientation is honoured.
        photo: the photo that it belongs to, upright, or its size: the sizes must agree; None: not
            compared.
        name: what messages call it.

    Returns:
        UINT8 [H, W], >= 128 = fill.

    Raises:
        PawfectError: INVALID_ARG as `decode_photo` does, for another size, and for several colours.
    """
    upright = decode_file(data, name).image
    turn_upright(upright)
    if photo is not None:
        check_same_size(upright.size, photo, name)
    if (
        upright.mode == "L"
        and not upright.has_transparency_data
        and not upright.info.get("icc_profile")
    ):
        # What the way through RGB would give, for a fraction of the time.
        return np.array(upright)
    rgb, alpha, _ = rgb_and_alpha(upright)
    luma = np.array(Image.fromarray(rgb).convert("L"))
    if alpha is None or alpha.min() == 255:
        return luma
    painted = rgb[alpha >= MASK_THRESHOLD].astype(np.int16)
    if painted.size == 0 or np.ptp(painted, axis=0).max() <= _SAME_COLOUR:
        return alpha
    if np.ptp(painted, axis=1).max() > _SAME_COLOUR:
        expected = "black and white, or one colour on a transparent ground"
        raise invalid(name, expected, "several colours and transparency")
    return (luma.astype(np.uint16) * alpha // 255).astype(np.uint8)


def check_same_size(size: tuple[int, int], photo: Photo | PhotoSize, name: str) -> None:
    """Raise INVALID_ARG where a mask of this (width, height), upright, is not of the photo's."""
    if size == photo.size:
        return
    expected = f"the photo's size {photo.size[0]}x{photo.size[1]}"
    if size == photo.stored_size:
        expected += " as it is seen, turned upright by its EXIF orientation"
        got = f"{size[0]}x{size[1]} as it is stored"
    else:
        got = f"{size[0]}x{size[1]}"
    raise invalid(name, expected, got)
