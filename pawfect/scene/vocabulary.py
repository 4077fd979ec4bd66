"""The vocabulary of surfaces: names for people and prompts, phrases for SAM3."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Annotated, Any, Final

from pawfect.contract.tables import SOME, Rule, TableError, read_table

FILE_NAME: Final = "surfaces.toml"
Text = Annotated[
    str,
    Rule(
        lambda text: text == text.strip() and text.isprintable(),
        "printable text without space around it",
    ),
]


@dataclass(frozen=True)
class Surface:
    """One surface.

    Attributes:
        name: what labels and prompts call it, such as "fallen leaves".
        phrases: what SAM3 is asked by, at least one short noun phrase.
    """

    name: Text
    phrases: Annotated[tuple[Text, ...], SOME]


@dataclass(frozen=True)
class _Vocabulary:
    surfaces: Annotated[tuple[Surface, ...], SOME]


@cache
def load_vocabulary() -> tuple[Surface, ...]:
    """Return the package's own surfaces, in the file's order."""
    text = (resources.files("pawfect.scene") / FILE_NAME).read_text("utf-8")
    return parse_vocabulary(tomllib.loads(text))


def parse_vocabulary(table: Mapping[str, Any]) -> tuple[Surface, ...]:
    """Return the surfaces of a parsed file, in its order.

    Args:
        table: `{"surfaces": [{"name": str, "phrases": [str, ...]}, ...]}`.

    Raises:
        TableError: an empty vocabulary, a surface without phrases, empty or untrimmed text, a name
            or phrase that occurs twice (whatever its case), unknown keys and wrong types.
    """
    surfaces = read_table(_Vocabulary, table, FILE_NAME).surfaces
    _once("names", (surface.name for surface in surfaces))
    _once("phrases", (phrase for surface in surfaces for phrase in surface.phrases))
    return surfaces


def _once(what: str, texts: Iterable[str]) -> None:
    seen: set[str] = set()
    for text in texts:
        if text.casefold() in seen:
            raise TableError(FILE_NAME, f"{what} that differ", f"{text} twice")
        seen.add(text.casefold())
