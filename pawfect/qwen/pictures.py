"""Pictures of different sizes, as two tensors have them and as the encoder is shown them.

Imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from math import prod
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pawfect.contract.errors import invalid

# Sides of a scaled picture are multiples of this, px: the pipelines' `calculate_dimensions`.
MULTIPLE_PX: Final = 32
# The image processor refuses pictures 200 times as long as wide, and rounding adds to that.
MAX_RATIO: Final = 100

Picture = NDArray[np.uint8]


def parted(pictures: Picture, sizes: NDArray[np.int32]) -> list[Picture]:
    """Return the pictures that two tensors hold.

    Args:
        pictures: UINT8 [N], the bytes of all, one behind the other.
        sizes: INT32 [P, 2], rows and columns of each.

    Returns:
        UINT8 [rows, columns, 3] each.

    Raises:
        PawfectError: INVALID_ARG where the sizes are not positive, or do not fill the bytes.
    """
    if (sizes < 1).any():
        raise invalid("SIZES", "positive rows and columns", sizes.tolist())
    shapes = [(int(rows), int(columns), 3) for rows, columns in sizes]
    if len(pictures) != sum(map(prod, shapes)):
        expected = f"the bytes of {len(shapes)} pictures of SIZES"
        raise invalid("PICTURES", expected, len(pictures))
    # The part behind the last picture is empty.
    parts = np.split(pictures, list(accumulate(map(prod, shapes))))[: len(shapes)]
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def check_pictures(pictures: Sequence[Picture], *, several: bool) -> None:
    """Raise INVALID_ARG unless there are pictures, or one where there may not be several.

    Each is UINT8 [H, W, 3], at most 100 times as long as wide.
    """
    if not pictures or (len(pictures) > 1 and not several):
        expected = "one or more of them" if several else "one"
        raise invalid("PICTURES", expected, len(pictures))
    for picture in pictures:
        shape = (*picture.shape, 0, 0)
        short, long = sorted(shape[:2])
        if picture.dtype != np.uint8 or picture.shape != (*shape[:2], 3) or not short:
            got = f"{picture.dtype} {list(picture.shape)}"
            raise invalid("PICTURES", "uint8 [H, W, 3] each", got)
        if long > MAX_RATIO * short:
            expected = f"sides at most {MAX_RATIO} times as long as each other"
            raise invalid("PICTURES", expected, f"{shape[1]}x{shape[0]}")


def scaled(picture: Picture, area: int) -> Image.Image:
    """Return a picture at an area, px, as the pipelines' VaeImageProcessor resizes it."""
    height, width = scaled_size(picture.shape[0], picture.shape[1], area)
    return Image.fromarray(picture).resize((width, height), resample=Image.Resampling.LANCZOS)


def scaled_size(height: int, width: int, area: int) -> tuple[int, int]:
    """Return the size, px, with an area, the same shape, and sides that are multiples of 32.

    The pipelines' `calculate_dimensions`.

    Args:
        height: of the picture, px.
        width: of the picture, px.
        area: px.

    Returns:
        Height and width.
    """
    ratio = width / height
    wide = math.sqrt(area * ratio)
    high = wide / ratio
    return round(high / MULTIPLE_PX) * MULTIPLE_PX, round(wide / MULTIPLE_PX) * MULTIPLE_PX
