"""The drawn masks of a refinement in one file: a label per pixel. CPU work, off the loop."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pawfect.contract.errors import invalid
from pawfect.contract.parameters import MaskFileParams
from pawfect.contract.tensors import MASK_THRESHOLD
from pawfect.photo.mask_file import check_same_size, decode_mask_file
from pawfect.photo.photo import PhotoSize, size_in_header
from pawfect.photo.saving import plain_png

MASKS_FILE: Final = "masks.png"
# White = it, as the page draws them; what covers nearly all is meant so.
_WHITE: Final = MaskFileParams(mask_is="white")


def drawn_masks(files: Sequence[bytes], size: tuple[int, int]) -> bytes:
    """Return masks as one grey PNG: a pixel of mask k is k + 1, of none 0.

    Args:
        files: a PNG each, of the photo's size, white = it.
        size: (width, height) of the photo, px.

    Raises:
        PawfectError: INVALID_ARG for a broken file, another size, an empty mask, and masks that
            share a pixel.
    """
    labels = np.zeros(size[::-1], np.uint8)
    for number, data in enumerate(files):
        name = f"masks[{number}]"
        check_same_size(size_in_header(data, name).size, PhotoSize(size, size), name)
        drawn = decode_mask_file(data, None, name, _WHITE).mask >= MASK_THRESHOLD
        if not drawn.any():
            raise invalid(name, "some pixels >= 128", "none")
        if labels[drawn].any():
            raise invalid(name, "no pixel of a mask before it", "masks that overlap")
        labels[drawn] = number + 1
    return plain_png(labels)


def separate_masks(data: bytes) -> NDArray[np.uint8]:
    """Return the masks of a file that `drawn_masks` made, UINT8 [K, H, W], 255 = it.

    Raises:
        PawfectError: INVALID_ARG for another file.
    """
    try:
        labels = np.asarray(Image.open(io.BytesIO(data)))
    except (OSError, ValueError):
        raise invalid(MASKS_FILE, "a PNG", "a broken file") from None
    if labels.ndim != 2 or labels.dtype != np.uint8 or not labels.any():
        raise invalid(MASKS_FILE, "a grey PNG with masks", "another")
    numbers = np.arange(1, int(labels.max()) + 1, dtype=np.uint8)
    return np.where(labels[None] == numbers[:, None, None], np.uint8(255), np.uint8(0))
