"""Numbers as JSON brings them: of any size, and True for 1."""

from __future__ import annotations

import math
from typing import Any


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number that a float holds; True and False are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
