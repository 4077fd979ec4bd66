"""Whether a network found a subject at all, and how sure it is of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

INSIDE: Final = 0.5
"""From this value of the stretched map on a pixel counts as the subject's."""
LEAST_CONFIDENCE: Final = 0.7
"""Below it a network has found nothing: stretching would make something of noise. U2-Net-p is sure
of pictures without a subject by 0.59 at most, of those with one by 0.91 at least."""


@dataclass(frozen=True)
class Subject:
    """What a network says of a whole photo.

    Attributes:
        found: whether there is anything that it takes for a subject.
        confidence: the mean of its map within what would be the subject, 0 to 1.
        share: of the photo that is the subject, 0 to 1.
    """

    found: bool
    confidence: float
    share: float


NOTHING: Final = Subject(False, 0.0, 0.0)


def subject_of(values: NDArray[np.float32], stretched: NDArray[np.float32]) -> Subject:
    """Judge a map.

    Args:
        values: FLOAT32 [h, w], 0 to 1, as the network gave it.
        stretched: FLOAT32 [h, w], 0 to 1, the same as its own code goes on with it.
    """
    inside = stretched >= INSIDE
    if not inside.any():
        return NOTHING
    confidence = float(values[inside].mean())
    found = confidence >= LEAST_CONFIDENCE
    return Subject(found, confidence, float(inside.mean()) if found else 0.0)
