"""`--param KEY=VALUE`: request parameters from text, of the types that the contract declares."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

import click

from pawfect.contract.parameters import InpaintParams, Scalar

_FIELDS: Final = {spec.name: spec.metadata for spec in fields(InpaintParams)}

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
        if not equals or key not in _FIELDS:
            keys = ", ".join(_FIELDS)
            self.fail(f"expected KEY=VALUE with a key of {keys}; got {value}", param, ctx)
        declared = _FIELDS[key].get("type", str)
        try:
            return key, declared(text)
        except ValueError:
            wanted = "an integer" if declared is int else "a number"
            self.fail(f"{key}: expected {wanted}, got {text!r}", param, ctx)


def merged(given: Iterable[tuple[str, Scalar]]) -> dict[str, Scalar]:
    """Return parameters by name; click.UsageError where one is given twice."""
    parameters: dict[str, Scalar] = {}
    for key, value in given:
        if key in parameters:
            raise click.UsageError(f"parameter {key}: expected once, got twice")
        parameters[key] = value
    return parameters
