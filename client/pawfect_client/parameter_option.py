"""`--param KEY=VALUE`: request parameters from text, of the types that the contract declares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from pawfect.contract.parameters import InpaintParams, Scalar
from pawfect.contract.tables import field_types, plain_type

_TYPES: Final = field_types(InpaintParams)
# How a text becomes a value of each type, and what is expected of it.
_FROM_TEXT: Final[Mapping[type, tuple[Callable[[str], Scalar], str]]] = {
    str: (str, "a text"),
    int: (int, "an integer"),
    float: (float, "a number"),
    bool: ({"true": True, "false": False}.__getitem__, "true or false"),
}

if TYPE_CHECKING:
    _KeyAndValue = click.ParamType[tuple[str, Scalar]]
else:
    # Generic for type checkers alone: click 8.1 cannot subscript it.
    _KeyAndValue = click.ParamType


class ParameterType(_KeyAndValue):
    """KEY=VALUE as (key, value); a usage error for an unknown key or a value of another type.

    Bounds are the request's own matter, so that they are checked in one place.
    """

    name = "KEY=VALUE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Scalar]:
        """Return the key and its value."""
        if isinstance(value, tuple):
            return value
        key, equals, text = str(value).partition("=")
        if not equals or key not in _TYPES:
            keys = ", ".join(_TYPES)
            self.fail(f"expected KEY=VALUE with a key of {keys}; got {value}", param, ctx)
        read, wanted = _FROM_TEXT[plain_type(_TYPES[key])]
        try:
            return key, read(text)
        except (KeyError, ValueError):
            self.fail(f"{key}: expected {wanted}, got {text!r}", param, ctx)


def merged(given: Iterable[tuple[str, Scalar]]) -> dict[str, Scalar]:
    """Return parameters by name; click.UsageError where one is given twice."""
    parameters: dict[str, Scalar] = {}
    for key, value in given:
        if key in parameters:
            raise click.UsageError(f"parameter {key}: expected once, got twice")
        parameters[key] = value
    return parameters
