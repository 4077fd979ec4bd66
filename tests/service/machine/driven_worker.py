"""The real worker without an event loop: each call to a store is an effect that a test answers.

Its coroutine is driven by hand; between two effects anything may happen. Only the work itself,
which real workers do in tasks of their own, is a model here: `DrivenHandler._result`.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Coroutine, Generator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_service.jobs import moves as t
from pawfect_service.jobs.contract import JobContract
from pawfect_service.jobs.kinds import Made
from pawfect_service.jobs.message import JobMessage
from pawfect_service.jobs.move import Answer, Step
from pawfect_service.worker.handler import Handler, Outcome
from pawfect_service.worker.lease import HeldJob

UID, SID = "u", "s"


class Fate(enum.Enum):
    """What a look at the running work finds."""

    DONE = "done"
    RUNNING = "running"
    PASSING = "passing"
    PERMANENT = "permanent"


@dataclass(frozen=True)
class Effect:
    """One call to a store, or a `look` at the work; awaiting it gives the test's answer."""

    call: str
    args: tuple[Any, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)

    def __await__(self) -> Generator[Effect, Any, Any]:
        return (yield self)


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
    steps: Coroutine[Effect, Any, Outcome]
    effect: Effect


class EffectFiles:
    """`Files`, each call an effect."""

    async def copy(self, source: str, target: str) -> None:
        if not await Effect("copy", (source, target)):
            raise FileNotFoundError(source)

    async def delete(self, path: str) -> None:
        await Effect("delete", (path,))

    async def list(self, folder: str) -> list[str]:
        return cast("list[str]", await Effect("list", (folder,)))


@dataclass(frozen=True)
class EffectSessions:
    """`Sessions`, each move an effect."""

    contract: JobContract

    async def move(self, uid: str, sid: str, transition: Any, /, **named: Any) -> Step:
        assert (uid, sid) == (UID, SID)
        return cast("Step", await Effect("move", (transition,), named))


def away() -> PawfectError:
    return PawfectError(ErrorKind.UNAVAILABLE, "server: away")


def content(job: str, start: int, path: str) -> bytes:
    """What a start makes under a path; it tells whose it is."""
    return f"{job}-{start}-{path.rpartition('-')[2].rpartition('/')[2]}".encode()


class DrivenHandler(Handler):
    """The handler over effects."""

    def __init__(self, contract: JobContract) -> None:
        stores = SimpleNamespace(files=EffectFiles())
        services: Any = SimpleNamespace(stores=stores, sessions=EffectSessions(contract))
        super().__init__(services, usd_per_hour=3600.0)

    def work(self, job: str, owner: str) -> Coroutine[Effect, Any, Outcome]:
        """Return a worker's way through one delivery."""
        return self._handled(JobMessage(UID, SID, job), _hold, owner)

    async def _result(self, job: HeldJob) -> Step:
        """Do the work while the lease is held, and claim the result."""
        while (fate := await Effect("look")) is Fate.RUNNING:
            try:
                step = await job.move(t.extend_lease)
            except PawfectError:
                continue  # The lease holds for a while without the store.
            if step.answer is not Answer.GO_ON:
                await self._publisher.clear(job)
                if step.answer is Answer.LATE:
                    raise away()
                return Step(step.answer, None)
        if fate is Fate.PASSING:
            raise away()
        if fate is Fate.PERMANENT:
            raise PawfectError(ErrorKind.INVALID_ARG, "MASK: expected another one")
        files: Mapping[str, str] = job.attempts()
        for path in files.values():
            await Effect("put", (path, content(job.message.job, job.start, path)))
        return await self._claim(job, Made({}, "{}", float(job.start)), time.monotonic())


async def _hold(seconds: float) -> None:
    """The world hides the message from others itself."""
