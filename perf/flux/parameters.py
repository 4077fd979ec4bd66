"""Bytes of the full-size models' parameters, from their published shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

from pawfect.weights.published import Published, read
from perf.flux.storage import Storage

BYTES: Final = MappingProxyType({"float32": 4, "float16": 2, "bfloat16": 2})


@cache
def published(name: str) -> Published:
    """Read a published checkpoint's list, once: a planner asks for it with every request."""
    return read(name)


@cache
def sizes_of(name: str) -> Mapping[str, int]:
    """Return how many values each tensor of a published checkpoint has."""
    return {tensor: math.prod(shape) for tensor, shape in published(name).tensors.items()}


def transformer_bytes(storage: Storage, dtype: str, modulation: str) -> float:
    """Return the bytes of the full-size transformer's weights on the card.

    Args:
        storage: of the blocks' linear layers.
        dtype: of all else.
        modulation: `cached` leaves the blocks' modulation layers off the card.
    """
    size = BYTES[dtype]
    held = 0.0
    for name, shape in published("flux_transformer").tensors.items():
        inside = "transformer_blocks." in name
        modulates = inside and ".norm" in name and ".linear." in name
        if modulates and modulation == "cached":
            continue
        quantised = inside and len(shape) == 2 and storage.bits is not None
        if quantised and (storage.modulation or not modulates):
            held += math.prod(shape) * (storage.bits or 0) / 8 + shape[0] * storage.per_row
        else:
            held += math.prod(shape) * size
    return held
