"""Whether the face that a mask is nearest to is meant by it at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.faces import Face
from pawfect.contract.tensors import MASK_THRESHOLD
from pawfect.identity.mask import meant_face


def near_face(faces: Sequence[Face], mask: NDArray[np.uint8]) -> int | None:
    """Return the place of the face that a mask means, as `meant_face`, where one is near.

    One whose box is farther from the mask than its own longer side is not meant: a mask over a dog
    does not mean the face of whoever stands behind it.

    Args:
        faces: of the photo, best first.
        mask: UINT8 [H, W], >= 128 = marked, of the photo's size, some of it.
    """
    place = meant_face(faces, mask)
    if place is None:
        return None
    x0, y0, x1, y1 = (float(edge) for edge in faces[place].box)
    rows, columns = np.nonzero(mask >= MASK_THRESHOLD)
    beside = np.maximum(np.maximum(x0 - columns, columns - x1), 0)
    above = np.maximum(np.maximum(y0 - rows, rows - y1), 0)
    return place if float(np.hypot(beside, above).min()) <= max(x1 - x0, y1 - y0) else None
