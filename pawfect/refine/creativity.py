"""`creativity` 1 to 3: one table for all types of repair, see creativity.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Annotated

from pawfect.contract.refine import CREATIVITY
from pawfect.contract.tables import Rule, at_least, between, one_of, read_table
from pawfect.lettering.old import REUSE

_ALL = Rule(lambda levels: len(levels) == CREATIVITY[1], f"{CREATIVITY[1]} levels")


@dataclass(frozen=True)
class Creativity:
    """One level.

    Attributes:
        strength: above 0 to 1, as in `InpaintParams`.
        steps: denoising steps, as a share of the profile's own.
        guidance: guidance scale, likewise.
        words: for an engine that edits by words.
        reuse: which letters of an old text are cut out and set again in the new one, see
            `pawfect.refine.text.TextFreedom`.
    """

    strength: Annotated[float, between(0.0, 1.0, above=True)]
    steps: Annotated[float, at_least(0.1)]
    guidance: Annotated[float, at_least(0)]
    words: str
    reuse: Annotated[str, one_of(*REUSE)]


@dataclass(frozen=True)
class _Levels:
    level: Annotated[tuple[Creativity, ...], _ALL]


def creativity(level: int) -> Creativity:
    """Return a level of the table, 1 to 3."""
    return _levels()[level - CREATIVITY[0]]


@cache
def _levels() -> tuple[Creativity, ...]:
    text = resources.files("pawfect.refine").joinpath("creativity.toml").read_text("utf-8")
    return read_table(_Levels, tomllib.loads(text), "creativity.toml").level
