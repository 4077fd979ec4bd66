"""A worker as the contract has it: a generator of effects, each one call to a store.

Between two of them anything may happen; `world.World` carries them out.
"""

from __future__ import annotations

import enum
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from pawfect.contract.errors import ErrorKind, PawfectError, QueueAction
from pawfect_service.jobs import moves as t
from pawfect_service.jobs.fields import Cost
from pawfect_service.jobs.kinds.inpaint import EDITED, PREVIEW
from pawfect_service.jobs.paths import attempt_path, session_path

UID, SID = "u", "s"
# Made from each start, so that files tell whose they are.
NAMES = (PREVIEW, EDITED)


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
    """Of files that nobody reads: one that breaks off is let be, unless the rest hangs on it."""

    paths: tuple[str, ...]
    needed: bool = False


@dataclass(frozen=True)
class List:
    """All that workers have made and not published; answered with their paths."""


@dataclass(frozen=True)
class Fill:
    """A look at the fill; answered with a Fate."""


Effect = Move | Put | Copy | Delete | List | Fill
Work = Generator[Effect, Any, QueueAction | None]
Part = Generator[Effect, Any, t.Step]


@dataclass
class Message:
    job: str
    visible: float
    nacks: int = 0
    deliveries: int = 0
    receipt: str = ""
    name: str = ""


@dataclass
class Worker:
    """One worker on one delivery, before its next effect."""

    owner: str
    message: Message
    steps: Work
    effect: Effect


def away() -> PawfectError:
    return PawfectError(ErrorKind.UNAVAILABLE, "server: away")


def content(job: str, start: int, name: str) -> bytes:
    return f"{job}-{start}-{name}".encode()


def work(job: str, owner: str) -> Work:
    """A worker's way through one delivery, as `worker.handler` goes it.

    An effect that breaks off raises PawfectError here; the store has then carried it out or not.
    """
    mine = {"job": job, "owner": owner}
    try:
        step = yield Move(t.take_up, mine)
    except PawfectError:
        return QueueAction.NACK
    if step.answer.queue is not None:
        return step.answer.queue
    files = tuple(attempt_path(UID, SID, job, step.session.counts.starts, name) for name in NAMES)
    try:
        if step.answer is t.Answer.RUN:
            step = yield from fill(mine, step.session.counts.starts, files)
        if step.answer in (t.Answer.WON, t.Answer.PUBLISH):
            step = yield from publish(mine, step.session.result)
        return step.answer.queue
    except PawfectError as error:
        failure = error
    for_good = failure.row.queue_action is QueueAction.FAIL
    move = t.permanent_failure if for_good else t.passing_failure
    try:
        step = yield Move(move, {**mine, "error": failure})
    except PawfectError:
        return QueueAction.NACK
    claimed = step.session and step.session.job == job and step.session.result
    if not claimed or step.answer is t.Answer.OVER:
        yield Delete(files)
    return step.answer.queue


def fill(mine: dict[str, Any], start: int, files: tuple[str, ...]) -> Part:
    """Fill while the lease is held, and claim the result."""
    fate = yield Fill()
    while fate is Fate.RUNNING:
        try:
            step = yield Move(t.extend_lease, mine)
        except PawfectError:
            pass  # The lease holds for a while without the store.
        else:
            if step.answer is not t.Answer.GO_ON:
                yield Delete(files)
                if step.answer is t.Answer.LATE:
                    raise away()
                return step
        fate = yield Fill()
    if fate is Fate.PASSING:
        raise away()
    if fate is Fate.PERMANENT:
        raise PawfectError(ErrorKind.INVALID_ARG, "MASK: expected another one")
    for path, name in zip(files, NAMES, strict=True):
        yield Put(path, content(mine["job"], start, name))
    cost = Cost(amount=float(start), unit="USD", seconds=1.0)
    step = yield Move(t.claim_result, {**mine, "report": "{}", "cost": cost})
    if step.answer is not t.Answer.WON:
        yield Delete(files)
    return step


def publish(mine: dict[str, Any], result: Any) -> Part:
    """Copy a claimed result to its names and complete the job, as `worker.publishing` does."""
    targets = tuple(session_path(UID, SID, name) for name in NAMES)
    sources = (result.outputs["preview"], result.outputs["edited"])
    try:
        listed = yield List()
        stale = tuple(path for path in listed if path not in sources)
        for source, target in zip(sources, targets, strict=True):
            step = yield Move(t.extend_lease, mine)
            if step.answer is t.Answer.LATE:
                step = yield Move(t.put_back, mine)
            if step.answer is not t.Answer.GO_ON:
                return (yield from clear(step, sources, targets))
            if stale:
                yield Delete(stale, needed=True)
                stale = ()
            there = yield Copy(source, target)
            if not there:
                break
    except PawfectError:
        return (yield Move(t.put_back, mine))
    if not there:
        return (yield Move(t.result_gone, mine))
    step = yield Move(t.complete, {"job": mine["job"]})
    return (yield from clear(step, sources, targets))


def clear(step: t.Step, sources: tuple[str, ...], targets: tuple[str, ...]) -> Part:
    """Delete what a job that is over has left; of a deleted session, all."""
    if step.answer in (t.Answer.COMPLETED, t.Answer.OVER):
        yield Delete(sources)
    if step.answer is t.Answer.OVER and step.session is None:
        yield Delete(targets)
    return step
