"""The rubric: what remote judges are asked, and what fatal flaws cap scores at; see rubric.toml."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Annotated, Any, Final

from pawfect.contract.scores import AXES, BEST
from pawfect.contract.tables import Rule, between, read_table

_OF_AXES: Final = Rule(
    lambda caps: bool(caps) and set(caps) <= set(AXES), f"some of {', '.join(AXES)}"
)
_ALL_AXES: Final = Rule(lambda axes: set(axes) == set(AXES), f"all of {', '.join(AXES)}")
FLAWS: Final = "flaws"
REMARK: Final = "remark"
# Of the two questions by which identity is cross-checked.
LIKENESS: Final = "likeness"
DIFFERENCE: Final = "difference"


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        asks: in words.
    """

    asks: str


@dataclass(frozen=True)
class Flaw:
    """A fatal flaw.

    Attributes:
        asks: what it is, in words.
        caps: by axis, the best score that a picture with it can have.
    """

    asks: str
    caps: Annotated[Mapping[str, Annotated[float, between(0.0, BEST)]], _OF_AXES]


@dataclass(frozen=True)
class SinglePicture:
    """What a judge is asked that sees one picture per question.

    Attributes:
        number: how it is to answer, with flaws; KEY stands for the key.
        number_alone: the same without.
        consistency: what it sees: the photo before and after.
        realism: what it sees: the photo after.
        likeness: how alike reference and result are.
        difference: how different.
    """

    number: str
    number_alone: str
    consistency: str
    realism: str
    likeness: Question
    difference: Question


@dataclass(frozen=True)
class Rubric:
    """All of it.

    Attributes:
        intro: what the pictures are.
        reference: what the reference is, where there is one.
        answer: how to answer.
        axes: what each axis asks.
        flaws: by name.
        single: of judges that see one picture per question.
    """

    intro: str
    reference: str
    answer: str
    axes: Annotated[Mapping[str, Question], _ALL_AXES]
    flaws: Mapping[str, Flaw]
    single: SinglePicture

    def prompt(self, axes: Collection[str]) -> str:
        """Return the text that asks for several axes at once, beside their pictures."""
        lines = [self.intro, *([self.reference] if "identity" in axes else [])]
        lines += ["Give each a number from 0 to 10:"]
        lines += [f"- {axis}: {self.axes[axis].asks}" for axis in axes]
        return "\n".join([*lines, self.answer, *self._flaw_lines()])

    def single_prompt(self, axis: str) -> str:
        """Return the text that asks for consistency or realism of one picture."""
        seen = {"consistency": self.single.consistency, "realism": self.single.realism}[axis]
        asked = f"{seen}{self.axes[axis].asks}?"
        answer = self.single.number.replace("KEY", json.dumps(axis))
        told = f'{answer} "flaws" names those of this list that you see, or none:'
        return "\n".join([asked, told, *self._flaw_lines()])

    def identity_prompt(self, key: str) -> str:
        """Return the text that asks for LIKENESS or DIFFERENCE of two pictures side by side."""
        question = {LIKENESS: self.single.likeness, DIFFERENCE: self.single.difference}[key]
        return question.asks + self.single.number_alone.replace("KEY", json.dumps(key))

    def schema(self, axes: Collection[str]) -> dict[str, Any]:
        """Return the JSON schema of an answer to `prompt`."""
        number = {"type": "number", "minimum": 0, "maximum": BEST}
        flaws = {"type": "array", "items": {"type": "string", "enum": list(self.flaws)}}
        remark = {"type": "string", "description": "why, in one sentence"}
        properties = {**dict.fromkeys(axes, number), FLAWS: flaws, REMARK: remark}
        return {"type": "object", "properties": properties, "required": [*axes, FLAWS]}

    def capped(self, axis: str, score: float, flaws: Collection[str]) -> float:
        """Return a score, 0 to 10, no better than the flaws that were seen allow."""
        caps = (self.flaws[flaw].caps.get(axis, BEST) for flaw in flaws if flaw in self.flaws)
        return min([score, *caps])

    def _flaw_lines(self) -> list[str]:
        return [f"- {name}: {flaw.asks}" for name, flaw in self.flaws.items()]


@cache
def rubric() -> Rubric:
    """Return the rubric of rubric.toml."""
    text = resources.files("pawfect.judges").joinpath("rubric.toml").read_text("utf-8")
    return read_table(Rubric, tomllib.loads(text), "rubric.toml")
