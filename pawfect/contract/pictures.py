"""Pictures of different sizes as two tensors: the bytes of all, and the size of each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import prod

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import invalid
from pawfect.contract.tensors import Array

Picture = NDArray[np.uint8]


def joined(pictures: Sequence[Picture], names: tuple[str, str]) -> dict[str, Array]:
    """Return the two tensors of some pictures; the inverse of `parted`.

    Args:
        pictures: UINT8 [rows, columns, 3] each, at least one.
        names: of the tensors: bytes and sizes.
    """
    bytes_name, sizes_name = names
    return {
        bytes_name: np.concatenate([picture.reshape(-1) for picture in pictures]),
        sizes_name: np.array([picture.shape[:2] for picture in pictures], np.int32),
    }


def parted(pictures: Picture, sizes: NDArray[np.int32], names: tuple[str, str]) -> list[Picture]:
    """Return the pictures that two tensors hold.

    Args:
        pictures: UINT8 [N], the bytes of all, one behind the other.
        sizes: INT32 [P, 2], rows and columns of each.
        names: of the tensors, for messages.

    Returns:
        UINT8 [rows, columns, 3] each.

    Raises:
        PawfectError: INVALID_ARG where the sizes are not positive, or do not fill the bytes.
    """
    bytes_name, sizes_name = names
    if (sizes < 1).any():
        raise invalid(sizes_name, "positive rows and columns", sizes.tolist())
    shapes = [(int(rows), int(columns), 3) for rows, columns in sizes]
    if len(pictures) != sum(map(prod, shapes)):
        expected = f"the bytes of {len(shapes)} pictures of {sizes_name}"
        raise invalid(bytes_name, expected, len(pictures))
    # The part behind the last picture is empty.
    parts = np.split(pictures, list(accumulate(map(prod, shapes))))[: len(shapes)]
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
