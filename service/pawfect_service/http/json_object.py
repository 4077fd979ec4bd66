"""JSON of a request, strictly read."""

from __future__ import annotations

import json
from typing import Any

from pawfect.contract.errors import invalid


def strict_json(text: str, name: str) -> dict[str, Any]:
    """Return a JSON object; INVALID_ARG for anything else, for NaN, and for a key twice."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise invalid(name, "each key once", "one of them twice")
        return found

    def no_constant(word: str) -> None:
        raise invalid(name, "numbers", word)

    try:
        parsed = json.loads(text, object_pairs_hook=once, parse_constant=no_constant)
    # RecursionError: thousands of opening brackets.
    except (ValueError, RecursionError):
        raise invalid(name, "a JSON object", "something else") from None
    if not isinstance(parsed, dict):
        raise invalid(name, "a JSON object", type(parsed).__name__)
    return parsed
