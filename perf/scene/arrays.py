"""Array types that the renderer's stages pass to each other."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
"""Linear light, metres, pixels or unit-free values, as the docstring at hand says."""

Bytes = NDArray[np.uint8]
"""8-bit pictures and masks."""

Ints = NDArray[np.int32]
"""Identities of painted shapes (0: nothing painted here), and fixed-point coordinates."""

Rows = NDArray[np.int64]
"""Row numbers in a table, or flat positions in a picture or a grid of rays."""

Bools = NDArray[np.bool_]


def floats(values: Any) -> Floats:
    """Return the values as a float32 array, copying only where the type differs."""
    return np.asarray(values, dtype=np.float32)


def unit(vectors: Floats) -> Floats:
    """Scale vectors [..., D] to length one; a zero vector stays near zero."""
    length = np.sqrt(np.sum(vectors * vectors, axis=-1, keepdims=True))
    return floats(vectors / np.maximum(length, 1e-9))


def smoothstep(low: float, high: float, values: Floats) -> Floats:
    """Rise from 0 at `low` to 1 at `high` with flat ends (Hermite interpolation)."""
    t = np.clip((values - low) / (high - low), 0.0, 1.0)
    return floats(t * t * (3.0 - 2.0 * t))


def mix(first: Any, second: Any, amount: Any) -> Floats:
    """Blend linearly: `first` where `amount` is 0, `second` where it is 1."""
    return floats(first + (second - first) * amount)
