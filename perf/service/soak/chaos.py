"""Who breaks things: each event is done, held for as long as it lasts, and mended."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import click
import psutil

from pawfect_service.jobs.message import JobMessage
from pawfect_service.stores.base import Stores
from perf.service.soak import schedule
from perf.service.soak.history import History
from perf.service.soak.schedule import MODELS, Event, EventKind
from perf.service.soak.site import Site

# A squeezed process may grow by so much, bytes: less than a picture's way through it, at times.
ROOM: Final = 16 * 2**20
# How far a clock is stepped, s: minutes, and more than the hour after which files go stale.
STEPS_S: Final = (120.0, 900.0, 5400.0)
# A victim that is not there, since it is just being started, is waited for so long, s.
VICTIM_S: Final = 15.0
# A server that is being started is left to come up first, for so long, s, but for this share of
# events: on a busy machine all kills would hit starts.
_COMING_S: Final = 45.0
_IN_A_START: Final = 0.25
# Messages that are sent again.
_TWICE: Final = 5


@dataclass
class Done:
    """What became of one event.

    Attributes:
        event: as it was planned.
        victim: what was hit.
        began_s: when, on a steady clock, s.
        ended_s: when the trouble was over and its mending began, s.
        skipped: why it was not done; None: it was.
        notes: what else there is to say of it.
        begun: set once somebody is hit, or the event was skipped.
    """

    event: Event
    victim: str = ""
    began_s: float = 0.0
    ended_s: float = 0.0
    skipped: str | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    def hit(self, victim: str) -> None:
        """Note who is hit, now."""
        self.victim, self.began_s = victim, time.monotonic()
        self.begun.set()
        click.echo(f"  {self.event.kind.name}: {victim}")

    @property
    def affects(self) -> str:
        """The kind of job whose recovery is measured."""
        model = self.victim.removeprefix("model ")
        return self.event.kind.affects or MODELS.get(model, schedule.SESSION)


class SkippedError(RuntimeError):
    """An event that cannot be done here, and why."""


class Chaos:
    """Breaks a site.

    Args:
        site: what is broken.
        stores: its store, for messages.
        history: of its store.
    """

    def __init__(self, site: Site, stores: Stores, history: History) -> None:
        self._site, self._stores, self._history = site, stores, history
        kinds = schedule
        self._ways: Mapping[EventKind, Callable[[Done], Awaitable[None]]] = {
            kinds.MODEL_KILLED: self._killed,
            kinds.TRITON_KILLED: self._killed,
            kinds.SERVE_KILLED: self._killed,
            kinds.WORKER_KILLED: self._killed,
            kinds.API_KILLED: self._killed,
            kinds.WORKER_STOPPED: self._stopped,
            kinds.MODEL_STOPPED: self._stopped,
            kinds.TRITON_STOPPED: self._stopped,
            kinds.API_STOPPED: self._stopped,
            kinds.WORKER_SQUEEZED: self._squeezed,
            kinds.MODEL_SQUEEZED: self._squeezed,
            kinds.DISK_FULL: self._full,
            kinds.CLOCK_FORWARDS: self._stepped,
            kinds.CLOCK_BACK: self._stepped,
            kinds.DELIVERED_TWICE: self._twice,
        }

    async def do(self, done: Done) -> None:
        """Do one event and mend it; what cannot be done here is skipped, and says why."""
        try:
            await self._ways[done.event.kind](done)
        except (SkippedError, psutil.Error, RuntimeError, OSError) as error:
            done.skipped = str(error) or type(error).__name__
            click.echo(f"  {done.event.kind.name}: skipped, {done.skipped}")
        done.ended_s = time.monotonic()
        done.begun.set()

    def mend(self) -> None:
        """Undo what lasts, whatever happened: clocks, disk, what stands still."""
        self._site.clock.step(0.0)
        with contextlib.suppress(RuntimeError):
            self._site.disk.free()
        for process in self._site.roles().values():
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGCONT)

    async def _victim(self, done: Done) -> psutil.Process:
        """Return who is hit, once it is there."""
        if done.event.kind.restarts and done.event.chance > _IN_A_START:
            await self._site.served(_COMING_S)
        until = time.monotonic() + VICTIM_S
        wanted = _wanted(done.event)
        while True:
            roles = self._site.roles()
            found = sorted(name for name in roles if name in wanted)
            if found:
                victim = found[int(done.event.chance * len(found))]
                done.hit(victim)
                return roles[victim]
            if time.monotonic() > until:
                raise SkippedError("nobody there to hit")
            await asyncio.sleep(0.1)

    async def _killed(self, done: Done) -> None:
        (await self._victim(done)).kill()

    async def _stopped(self, done: Done) -> None:
        victim = await self._victim(done)
        victim.suspend()
        try:
            await asyncio.sleep(done.event.lasts_s)
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.resume()

    async def _squeezed(self, done: Done) -> None:
        """Let a process's address space grow no more, but for a little."""
        victim = await self._victim(done)
        size = victim.memory_info().vms + ROOM
        before = resource.prlimit(victim.pid, resource.RLIMIT_AS)
        resource.prlimit(victim.pid, resource.RLIMIT_AS, (size, before[1]))
        try:
            await asyncio.sleep(done.event.lasts_s)
        finally:
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(victim.pid, resource.RLIMIT_AS, before)
        done.notes["survived"] = victim.is_running()

    async def _full(self, done: Done) -> None:
        disk = self._site.disk
        if disk.why_none is not None:
            raise SkippedError(disk.why_none)
        done.hit("the store's disk")
        disk.fill()
        try:
            await asyncio.sleep(done.event.lasts_s)
        finally:
            disk.free()

    async def _stepped(self, done: Done) -> None:
        clock = self._site.clock
        if clock.why_none is not None:
            raise SkippedError(clock.why_none)
        by_s = STEPS_S[int(done.event.chance * len(STEPS_S))]
        if done.event.kind is schedule.CLOCK_BACK:
            by_s = -by_s
        done.hit(f"the wall clock of API and workers, by {by_s:g} s")
        clock.step(clock.offset_s + by_s)

    async def _twice(self, done: Done) -> None:
        """Send messages of jobs again: those that wait, and those that are over."""
        moves = self._history.since(0)[-10 * _TWICE :: 10]
        done.hit(f"{len(moves)} messages")
        for move in moves:
            message = JobMessage(move.uid, move.sid, str(move.fields["job"]))
            await self._stores.queue.publish(message.to_bytes(), {})


def _wanted(event: Event) -> set[str]:
    """Return the roles that an event may hit."""
    kind = event.kind
    if kind in (schedule.MODEL_KILLED, schedule.MODEL_STOPPED, schedule.MODEL_SQUEEZED):
        return {f"model {model}" for model in MODELS}
    if kind in (schedule.TRITON_KILLED, schedule.TRITON_STOPPED):
        return {"tritonserver"}
    if kind is schedule.SERVE_KILLED:
        return {"serve"}
    name = "api" if kind in (schedule.API_KILLED, schedule.API_STOPPED) else "worker"
    return {f"{name} {number}" for number in range(1, 10)}
