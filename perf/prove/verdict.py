"""How a criterion of the roadmap came out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PASS: Final = "pass"
FAIL: Final = "fail"
LOOK: Final = "needs a person's look"
ELSEWHERE: Final = "not judged here"
REHEARSED: Final = "rehearsed"
# Of a fill's area: a difference of strange labels that small is the labels' own noise.
STRANGE_MARGIN: Final = 0.05


@dataclass(frozen=True)
class Verdict:
    """How one criterion came out.

    Attributes:
        status: one of those above.
        how: what was found, by which it is judged.
        pictures: paths below the proof's folder, with captions, where it needs a look.
    """

    status: str
    how: str
    pictures: tuple[tuple[str, str], ...] = ()


def judged(holds: bool, how: str, *pictures: tuple[str, str]) -> Verdict:
    """Return a verdict by whether something holds."""
    return Verdict(PASS if holds else FAIL, how, pictures)
