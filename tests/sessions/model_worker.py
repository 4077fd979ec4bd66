"""A worker as the contract has it: a generator of effects, each one call to a store.

Between two of them anything may happen; `world.World` carries them out.
"""

from __future__ import annotations

import enum
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from pawfect.errors import ErrorKind, PawfectError, QueueAction
from pawfect_sessions import transitions as t
from pawfect_sessions.contract import EDITED, PREVIEW
from pawfect_sessions.documents import attempt_path, session_path
from pawfect_sessions.parts import Cost

UID, SID = "u", "s"
# Made from each start, so that files tell whose they are.
NAMES = (EDITED, PREVIEW)
PASSING = PawfectError(ErrorKind.UNAVAILABLE, "server: away")
PERMANENT = PawfectError(ErrorKind.INVALID_ARG, "MASK: expected another one")


class Fate(enum.Enum):
    """What a look at the running fill finds."""

    DONE = "done"
    RUNNING = "running"
    PASSING = "passing"
    PERMANENT = "permanent"


@dataclass(frozen=True)
class Move:
    """A transition of the session's document."""

    transition: Any
    named: dict[str, Any]


@dataclass(frozen=True)
class Put:
    path: str
    data: bytes


@dataclass(frozen=True)
class Copy:
    source: str
    target: str


@dataclass(frozen=True)
class Delete:
    path: str


@dataclass(frozen=True)
class Fill:
    """A look at the fill; answered with a Fate."""


Effect = Move | Put | Copy | Delete | Fill
Work = Generator[Effect, Any, QueueAction | None]


def content(job: str, start: int, name: str) -> bytes:
    return f"{job}-{start}-{name}".encode()


def work(job: str, owner: str) -> Work:
    """A worker's way through one delivery, as the contract has it."""
    mine = {"job": job, "owner": owner}
    step = yield Move(t.take_up, mine)
    if step.answer is t.Answer.RUN:
        start = step.session.counts.starts
        fate = yield Fill()
        while fate is Fate.RUNNING:
            step = yield Move(t.extend_lease, mine)
            if step.answer is t.Answer.LATE:
                fate = Fate.PASSING
            elif step.answer is not t.Answer.GO_ON:
                return step.answer.queue
            else:
                fate = yield Fill()
        if fate is not Fate.DONE:
            passing = fate is Fate.PASSING
            move, error = (
                (t.passing_failure, PASSING) if passing else (t.permanent_failure, PERMANENT)
            )
            step = yield Move(move, {**mine, "error": error})
            return step.answer.queue
        files = [attempt_path(UID, SID, job, start, name) for name in NAMES]
        for path, name in zip(files, NAMES, strict=True):
            yield Put(path, content(job, start, name))
        cost = Cost(amount=float(start), unit="USD", seconds=1.0)
        claim = {"uid": UID, "sid": SID, **mine, "report": "{}", "cost": cost}
        step = yield Move(t.claim_result, claim)
        if step.answer is not t.Answer.WON:
            for path in files:
                yield Delete(path)
    if step.answer not in (t.Answer.WON, t.Answer.PUBLISH):
        return step.answer.queue
    return (yield from publish(job, mine, step.session.result))


def publish(job: str, mine: dict[str, Any], result: Any) -> Work:
    """Copy a claimed result to its names and complete the job."""
    for source, name in zip((result.edited, result.preview), NAMES, strict=True):
        step = yield Move(t.extend_lease, mine)
        if step.answer is t.Answer.LATE:
            step = yield Move(t.put_back, mine)
        if step.answer is not t.Answer.GO_ON:
            return step.answer.queue
        if not (yield Copy(source, session_path(UID, SID, name))):
            step = yield Move(t.permanent_failure, {**mine, "error": PERMANENT})
            return step.answer.queue
    step = yield Move(t.complete, {"uid": UID, "sid": SID, "job": job})
    return step.answer.queue
