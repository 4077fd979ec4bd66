"""What a model is told that puts one character in the place of another: templates, as data."""

from __future__ import annotations

import string
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Annotated, Any, Final

from pawfect.contract.tables import Rule, read_table

FILE: Final = "replacement.toml"


def _filled(*names: str) -> Rule:
    """Return the rule of a template with just these placeholders, each once."""
    expected = " and ".join(f"{{{name}}}" for name in names) or "no placeholder"
    return Rule(lambda text: _placeholders(text) == sorted(names), f"a text with {expected}")


def _placeholders(text: str) -> list[str] | None:
    """Return the placeholders of a template, sorted; None where it is none."""
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError:
        return None
    if any(form or conversion for _, _, form, conversion in parts):
        return None
    return sorted(name for _, name, _, _ in parts if name is not None)


@dataclass(frozen=True)
class Who:
    """How an instruction calls the character.

    Attributes:
        named: with {name}.
        unnamed: where no name is given.
    """

    named: Annotated[str, _filled("name")]
    unnamed: Annotated[str, _filled()]


@dataclass(frozen=True)
class Instruction:
    """An instruction by whose hair the result shows, as `pawfect.contract.search.HAIR` has it.

    Attributes:
        keep: the picture's own; with {who}.
        character: the character's; with {who}.
    """

    keep: Annotated[str, _filled("who")]
    character: Annotated[str, _filled("who")]


@dataclass(frozen=True)
class Templates:
    """The file."""

    who: Who
    instruction: Instruction


def replacement_instruction(name: str | None, hair: str) -> str:
    """Return the instruction to replace a character by that of the second picture.

    Args:
        name: the character's, or None.
        hair: keep or character.
    """
    templates = _templates()
    who = templates.who.unnamed if name is None else templates.who.named.format(name=name)
    instruction: str = getattr(templates.instruction, hair)
    return instruction.format(who=who)


def read_templates(text: str) -> Templates:
    """Read the templates.

    Raises:
        TableError: an unknown or missing key, and a template without its placeholder or with
            another.
    """
    table: dict[str, Any] = tomllib.loads(text)
    return read_table(Templates, table, FILE)


@cache
def _templates() -> Templates:
    return read_templates((resources.files("pawfect") / "search" / FILE).read_text("utf-8"))
