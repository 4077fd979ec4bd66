"""Whether a fill repeats itself or what lies right beside it: a stamp, seen as such."""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.scores.closeup import Closeup

# px: what a blur of this width leaves is texture, which a stamp repeats; light and tone repeat
# anyway.
_SIGMA: Final = 3.0
# Levels of 255: one strong edge is not to outweigh all texture.
_MOST: Final = 20.0
# px round the hole in which a copy's source is seen together with the copy.
_BESIDE_PX: Final = 16
# px: shorter shifts are the texture's own correlation.
_LEAST_SHIFT_PX: Final = 10


def repeat_excess(close: Closeup, luma: NDArray[np.float32]) -> float | None:
    """Return how much more of the fill than of its ring recurs at one shift.

    Copies are found by correlation over all shifts at once: of a texture without copies hardly
    anything correlates, of one with them the share that was copied does.

    Args:
        close: the hole and its surroundings.
        luma: FLOAT32 [h, w] of its image, 0 to 255.

    Returns:
        The share of the fill's energy that recurs, less the ring's own; about -1 to 1; None where
        either has no texture.
    """
    texture = np.clip(luma - cv2.GaussianBlur(luma, (0, 0), _SIGMA), -_MOST, _MOST)
    planes = [
        np.where(where, texture, np.float32(0))
        for where in (close.inside, close.distance <= _BESIDE_PX, close.ring)
    ]
    fill, near, ring = (_spectrum(plane) for plane in planes)
    own, usual = (float(np.square(planes[n]).sum()) for n in (0, 2))
    if own < close.inside.sum() or usual < close.ring.sum():
        return None  # less than one level a pixel: grain
    return _recurs(fill, near) / own - _recurs(ring, ring) / usual


def _spectrum(plane: NDArray[np.float32]) -> Any:
    """Return the transform of a plane with as much of nothing around, so that no end meets."""
    height, width = (cv2.getOptimalDFTSize(2 * side) for side in plane.shape)
    padded = np.zeros((height, width), np.float32)
    padded[: plane.shape[0], : plane.shape[1]] = plane
    return cv2.dft(padded)


def _recurs(part: Any, whole: Any) -> float:
    """Return the largest correlation of a part with the whole at any shift that is long enough."""
    product = cv2.mulSpectrums(whole, part, 0, conjB=True)
    correlation = cv2.idft(product, flags=cv2.DFT_SCALE)
    rows, columns = (np.minimum(np.arange(n), n - np.arange(n)) for n in correlation.shape)
    far = rows[:, None] ** 2 + columns[None] ** 2 >= _LEAST_SHIFT_PX**2
    return float(correlation[far].max())
