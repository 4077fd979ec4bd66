"""From what became of the questions to one judgement."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.scores import CONSISTENCY, IDENTITY, REALISM, Judgement
from pawfect.judges.asking import Asked
from pawfect.judges.pictures import Shown


class Judge(Protocol):
    """A judge elsewhere."""

    async def judge(self, pictures: Shown, until: float) -> Judgement:
        """Return what it says of a picture.

        Cancelled, it closes its connections.

        Args:
            pictures: what it is shown.
            until: the deadline, on `time.monotonic`, s.

        Raises:
            PawfectError: why there is no score at all.
        """
        ...


@dataclass(frozen=True)
class Axis:
    """What became of one axis.

    Attributes:
        name: of the axis.
        score: 0 to 10; None where there is none.
        error: why there is none.
        parts: what the score is made of.
        notes: what the judge remarks.
    """

    name: str
    score: float | None = None
    error: PawfectError | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def axes_of(pictures: Shown) -> tuple[str, ...]:
    """Return the axes that can be judged: identity where there is a reference."""
    identity = () if pictures.reference is None else (IDENTITY,)
    return (CONSISTENCY, REALISM, *identity)


def judgement(judge: str, axes: Sequence[Axis], asked: Sequence[Asked], began: float) -> Judgement:
    """Return the judgement of those axes that have a score; the others are silent.

    Args:
        judge: gemini or moondream.
        axes: what became of each.
        asked: what became of each question.
        began: when it began, on `time.monotonic`, s.

    Raises:
        PawfectError: that of the first axis where none has a score.
    """
    scores = {axis.name: axis.score for axis in axes if axis.score is not None}
    failed = {axis.name: axis.error for axis in axes if axis.error is not None}
    if not scores:
        raise next(iter(failed.values()))
    gone = dict.fromkeys(name for one in asked for name in one.gone)
    models = dict.fromkeys(one.said.model for one in asked if one.said is not None)
    notes = [f"model {name} is gone, another was asked" for name in gone]
    notes += dict.fromkeys(note for axis in axes for note in axis.notes)
    return Judgement(
        judge,
        scores,
        {name: error.message for name, error in failed.items()},
        {name: part for axis in axes for name, part in axis.parts.items()},
        tuple(notes),
        ", ".join(models),
        sum(one.calls for one in asked),
        math.floor(100_000 * (time.monotonic() - began)) / 100,
    )


def no_score(reason: str) -> PawfectError:
    """Return the error of an axis of which the judge said nothing that counts."""
    return PawfectError(ErrorKind.INTERNAL, reason)
