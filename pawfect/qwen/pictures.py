"""Pictures of different sizes as two tensors, and back. Imports no torch."""

from __future__ import annotations

from itertools import accumulate
from math import prod

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import invalid


def parted(pictures: NDArray[np.uint8], sizes: NDArray[np.int32]) -> list[NDArray[np.uint8]]:
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
