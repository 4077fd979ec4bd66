"""`--param KEY=VALUE`: request parameters from text, of the types that the contract declares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import click

from pawfect.contract.parameters import AUTO, InpaintParams, Parameters, Scalar
from pawfect.contract.tables import field_types, plain_type

# How a text becomes a value of each type, and what is expected of it.
_FROM_TEXT: Final[Mapping[type, tuple[Callable[[str], Scalar], str]]] = {
    str: (str, "a text"),
    int: (int, "an integer"),
    float: (float, "a number"),
    bool: ({"true": True, "false": False}.__getitem__, "true or false"),
}


def read_parameters(
    given: Iterable[str], kind: type[Parameters] = InpaintParams
) -> dict[str, Scalar]:
    """Return parameters by name; their bounds are the request's own matter.

    Args:
        given: KEY=VALUE, each key once.
        kind: declares their names and types.

    Raises:
        click.UsageError: an unknown key, one given twice, or a value of another type.
    """
    own: type = kind
    types, choices = field_types(own), kind.choices_of_the_server()
    parameters: dict[str, Scalar] = {}
    for option in given:
        key, equals, text = option.partition("=")
        if not equals or key not in types:
            expected = f"expected KEY=VALUE with a key of {', '.join(types)}"
            raise click.BadParameter(f"{expected}; got {option}", param_hint="'--param'")
        if key in parameters:
            raise click.UsageError(f"parameter {key}: expected once, got twice")
        wanted_type = str if text == AUTO and key in choices else plain_type(types[key])
        read, wanted = _FROM_TEXT[wanted_type]
        try:
            parameters[key] = read(text)
        except (KeyError, ValueError):
            message = f"{key}: expected {wanted}, got {text!r}"
            raise click.BadParameter(message, param_hint="'--param'") from None
    return parameters
