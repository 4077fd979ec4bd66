"""A place in a list, newest first, as the text that asks for the next page."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable

from pawfect.contract.errors import invalid


def text_of(at: float, name: str) -> str:
    """Return a place as a text: the time of what stands there, s since the epoch, and its name."""
    text = json.dumps([at, name])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def place_of(text: str, is_name: Callable[[str], bool]) -> tuple[float, str]:
    """Return the place that a text says; INVALID_ARG for one that no list gave.

    Args:
        text: what `before` is.
        is_name: says whether a name can stand in the list.
    """
    try:
        padded = text + "=" * (-len(text) % 4)
        at, name = json.loads(base64.b64decode(padded, b"-_", validate=True))
        good = isinstance(at, float) and math.isfinite(at)
        good = good and isinstance(name, str) and is_name(name)
    except (ValueError, TypeError, binascii.Error, RecursionError):
        good = False
    if not good:
        raise invalid("before", "what a list gave as next", "another text")
    return at, name
