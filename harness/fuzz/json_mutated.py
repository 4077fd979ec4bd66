"""Hostile JSON and TOML that still parses, made from good JSON."""

from __future__ import annotations

import copy
import json
import random
from typing import Any, Final

# What fits no field, or nearly: types, the ends of numbers, numbers that no float holds, halves of
# letters, control characters, depth, length, names that are something elsewhere.
_VALUES: Final[tuple[Any, ...]] = (
    None, True, False, 0, 1, -1, 2, 7, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**400, -(10**400),
    0.0, -0.0, 0.5, 1.5, 1e308, -1e308, 5e-324, float("nan"), float("inf"), "", " ", "x", "\0",
    "\ud800", "\udfff\ud800", "\x1b[2J", "\u202e", "\n", "x" * 5000, "9" * 5000, "/etc/passwd",
    "../../x", "u", "s", "auto", "region", "1", "true", "NaN", "inpaint", "e\u0301" * 40, [], {},
    [[]], [1, 2, 3, 4], [-1, 0, 10**400, 1], [None] * 5, ["\ud800"], {"a": 1}, {"": ""},
    {"\ud800": 1}, {"__proto__": {}}, [1] * 2000, {"bbox": [0, 0, 1, 1]}, [{"bbox": [1e400]}],
)  # fmt: skip
# Stands for much that is nested.
_DEEP: Final = "deep"
_KEYS: Final = ("", "\ud800", "x", "__class__", "\0", "a" * 3000, "/etc/passwd", "name", "kind")


def json_mutated(rng: random.Random, good: Any) -> bytes:
    """Return the JSON text of a value with one to four places of it changed.

    Args:
        rng: decides.
        good: what JSON gave.
    """
    value = json.loads(json.dumps(good))
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        value = _changed(rng, value)
    text = json.dumps(value, ensure_ascii=rng.random() < 0.5)
    # Around the depths at which readers and writers give up, which are not the same.
    depth = rng.choice((50, 300, 900, 960, 990, 3000))
    text = text.replace(f'"{_DEEP}"', "[" * depth + "]" * depth)
    return text.encode("utf-8", "surrogatepass")


def _changed(rng: random.Random, value: Any) -> Any:
    """Change a value itself, or go down into it."""
    if not isinstance(value, dict | list) or not value or rng.random() < 0.15:
        return _other(rng, value)
    keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = rng.choice(keys)
    step = rng.random()
    if step < 0.08:
        del value[key]
    elif step < 0.16 and isinstance(value, dict):
        value[rng.choice(_KEYS)] = copy.deepcopy(rng.choice(_VALUES))
    elif step < 0.16 and isinstance(value, list):
        value.append(copy.deepcopy(value[key]))
    elif step < 0.2 and isinstance(value, dict):
        value[rng.choice(_KEYS)] = value.pop(key)
    else:
        value[key] = _changed(rng, value[key])
    return value


def _other(rng: random.Random, value: Any) -> Any:
    step = rng.random()
    if step < 0.1:
        return [value]
    if step < 0.15:
        return {"a": value}
    if step < 0.2:
        return _DEEP
    return copy.deepcopy(rng.choice(_VALUES))
