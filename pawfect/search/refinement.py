"""How a swapped face is made photoreal, by the model that refines it: as data."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Annotated, Final

from pawfect.contract.parameters import MAX_STEPS
from pawfect.contract.tables import Rule, between, read_table

FILE: Final = "refinement.toml"
_WORDS: Final = Rule(lambda text: bool(text.strip()), "some words")


@dataclass(frozen=True)
class Refinement:
    """What a model is told, and how it draws.

    Attributes:
        instruction: what is to be done, in words.
        strength: above 0 to 1, the part of the schedule that runs.
        unwanted: what is not wanted; None: nothing is said, or it reads nothing.
        steps: of the schedule; None: the profile's.
        guidance_scale: likewise.
    """

    instruction: Annotated[str, _WORDS]
    strength: Annotated[float, between(0.0, 1.0, above=True)]
    unwanted: Annotated[str, _WORDS] | None = None
    steps: Annotated[int, between(1, MAX_STEPS)] | None = None
    guidance_scale: Annotated[float, between(0.0, 100.0)] | None = None


@dataclass(frozen=True)
class Refinements:
    """The file: a refinement for each engine that edits."""

    edit: Refinement
    klein: Refinement


def refinement_by(engine: str) -> Refinement:
    """Return how a model refines.

    Args:
        engine: of `pawfect.contract.search.EDITORS`.
    """
    found: Refinement = getattr(_refinements(), engine)
    return found


def read_refinements(text: str) -> Refinements:
    """Read the file; raises TableError for an unknown, missing or impossible entry."""
    return read_table(Refinements, tomllib.loads(text), FILE)


@cache
def _refinements() -> Refinements:
    return read_refinements((resources.files("pawfect") / "search" / FILE).read_text("utf-8"))
