"""The vocabulary of surfaces: names for people and prompts, phrases for SAM3."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

from pawfect.contract.errors import ErrorKind, PawfectError

FILE_NAME: Final = "surfaces.toml"
_KEYS: Final = {"name", "phrases"}


@dataclass(frozen=True)
class Surface:
    """One surface.

    Attributes:
        name: what labels and prompts call it, such as "fallen leaves".
        phrases: what SAM3 is asked by, at least one short noun phrase.
    """

    name: str
    phrases: tuple[str, ...]


def load_vocabulary(path: Path | None = None) -> tuple[Surface, ...]:
    """Read a vocabulary of surfaces.

    Args:
        path: a TOML file of the form of the package's own; None: that one.

    Raises:
        PawfectError: UNAVAILABLE where the file is missing, is not TOML in UTF-8, or does not hold
            a vocabulary (`parse_vocabulary`).
    """
    file = resources.files("pawfect.scene") / FILE_NAME if path is None else path
    try:
        table = tomllib.loads(file.read_bytes().decode("utf-8"))
    except OSError as error:
        raise _unusable("a file", f"none ({type(error).__name__})") from None
    except UnicodeDecodeError as error:
        raise _unusable("UTF-8 text", f"a byte that is not, at {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise _unusable("TOML", str(error)) from None
    return parse_vocabulary(table)


def parse_vocabulary(table: Mapping[str, Any]) -> tuple[Surface, ...]:
    """Return the surfaces of a parsed file, in its order.

    Args:
        table: `{"surfaces": [{"name": str, "phrases": [str, ...]}, ...]}`.

    Raises:
        PawfectError: UNAVAILABLE for an empty vocabulary, a surface without phrases, empty or
            untrimmed text, a name or phrase that occurs twice (whatever its case), unknown keys and
            wrong types.
    """
    if set(table) != {"surfaces"}:
        raise _unusable("the one key surfaces", _listed(table))
    entries = table["surfaces"]
    if not isinstance(entries, list):
        raise _unusable("surfaces as a list", type(entries).__name__)
    if not entries:
        raise _unusable("at least one surface", "an empty vocabulary")
    surfaces = tuple(_surface(entry, number) for number, entry in enumerate(entries, start=1))
    _once("names", [surface.name for surface in surfaces])
    _once("phrases", [phrase for surface in surfaces for phrase in surface.phrases])
    return surfaces


def _surface(entry: object, number: int) -> Surface:
    if not isinstance(entry, dict):
        raise _unusable(f"surface {number} as a table", type(entry).__name__)
    if set(entry) != _KEYS:
        raise _unusable(f"surface {number} with name and phrases", _listed(entry))
    name = _text(entry["name"], f"the name of surface {number}")
    phrases = entry["phrases"]
    if not isinstance(phrases, list):
        raise _unusable(f"the phrases of {name} as a list", type(phrases).__name__)
    if not phrases:
        raise _unusable(f"at least one phrase for {name}", "none")
    return Surface(name, tuple(_text(phrase, f"a phrase of {name}") for phrase in phrases))


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise _unusable(f"{what} as text", type(value).__name__)
    if not value.strip() or value != value.strip() or not value.isprintable():
        raise _unusable(f"{what} as printable text without space around it", repr(value))
    return value


def _once(what: str, texts: list[str]) -> None:
    seen: set[str] = set()
    for text in texts:
        if text.casefold() in seen:
            raise _unusable(f"{what} that differ", f"{text} twice")
        seen.add(text.casefold())


def _listed(table: Mapping[Any, Any]) -> str:
    return ", ".join(sorted(map(str, table))) or "nothing"


def _unusable(expected: str, got: str) -> PawfectError:
    message = f"vocabulary of surfaces: expected {expected}, got {got}"
    return PawfectError(ErrorKind.UNAVAILABLE, message)
