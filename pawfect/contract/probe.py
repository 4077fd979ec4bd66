"""A tiny real inference: the only sign of life that a dead model's process cannot give.

Servers ask it of their models, load balancers of the whole; it fills four by four pixels of a photo
of the smallest size.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.tensors import MIN_SIDE

# The request id of a probe. An orchestrator keeps places for it beside those of requests, and does
# not count it as an answer.
PROBE_ID: Final = "pawfect-probe"


def probe_photo() -> NDArray[np.uint8]:
    """Return the photo, UINT8 [64, 64, 3]: a ramp, since one colour would hide swapped axes."""
    ramp = np.arange(MIN_SIDE, dtype=np.uint8)
    return np.ascontiguousarray(np.broadcast_to(ramp[None, :, None], (MIN_SIDE, MIN_SIDE, 3)))


def probe_mask() -> NDArray[np.uint8]:
    """Return the mask, UINT8 [64, 64], 255 = fill."""
    mask = np.zeros((MIN_SIDE, MIN_SIDE), np.uint8)
    mask[30:34, 30:34] = 255
    return mask
