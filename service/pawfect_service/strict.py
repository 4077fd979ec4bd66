"""Reading JSON, strictly or not, and pydantic's errors in the words of the table of errors."""

from __future__ import annotations

import json
from typing import Any, Final

from pydantic import ValidationError

from pawfect.contract.errors import PawfectError, invalid

# Longest piece of a value that an error repeats.
SHOWN: Final = 60


def strict_json(data: str | bytes, name: str) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        PawfectError: INVALID_ARG for anything else, for NaN, and for a key twice.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise invalid(name, "each key once", "one of them twice")
        return found

    def no_constant(word: str) -> None:
        raise invalid(name, "numbers", word)

    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
        parsed = json.loads(text, object_pairs_hook=once, parse_constant=no_constant)
    except UnicodeDecodeError:
        raise invalid(name, "JSON in UTF-8", "other bytes") from None
    # RecursionError: thousands of opening brackets.
    except (ValueError, RecursionError):
        raise invalid(name, "a JSON object", "something else") from None
    if not isinstance(parsed, dict):
        raise invalid(name, "a JSON object", type(parsed).__name__)
    return parsed


def lenient_json(text: object) -> dict[str, Any] | None:
    """Return a JSON object of a stored text; None for what somebody has edited into another."""
    try:
        parsed = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def refused(error: ValidationError, name: str) -> PawfectError:
    """Return the INVALID_ARG of a model that did not take a value.

    Args:
        error: what pydantic found.
        name: of the whole value; the field that is wrong is added.
    """
    first = error.errors(include_url=False)[0]
    expected = first["msg"]
    for start in ("Input should be ", "Value error, "):
        expected = expected.removeprefix(start)
    expected = "a value" if expected == "Field required" else expected[:1].lower() + expected[1:]
    got = repr(first["input"])[:SHOWN] if first["loc"] else "otherwise"
    return invalid(".".join([name, *map(str, first["loc"])]), expected, got)
