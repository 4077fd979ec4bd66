"""The soak: it starts everything, lets clients and bad luck loose, and looks what is left."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click

from pawfect_service.jobs.contract import Document, JobContract, Status
from pawfect_service.stores import open_stores
from perf.service.soak import audit
from perf.service.soak.chaos import Chaos, Done
from perf.service.soak.clients import Clients
from perf.service.soak.history import History
from perf.service.soak.ledger import Accepted, Ledger
from perf.service.soak.orders import ORDERS, materials
from perf.service.soak.schedule import schedule
from perf.service.soak.site import Site
from perf.service.soak.watch import Watch

CLIENTS: Final = 6
# What a start takes on two cores, s: the load's length is the rest of the run's.
START_S: Final = 30.0
# After the load, s: a message that its worker left comes when its lease ends (30 s), or after its
# longest backoff (60 s).
DRAIN_S: Final = 90.0
# For looking at the pictures, s: at least, and for each of them, which takes some 20 ms.
PICTURES_S: Final = 40.0
_PICTURE_S: Final = 0.1
_LOOK_S: Final = 1.0
# The name of what the API has left that was killed before it told anybody of a job.
UNENDED: Final = "jobs without an end that no client was told of"
KILLED: Final = "processes that did not end when asked to"
# A job of the affected kind has so long to be completed, s; then that event has no recovery.
PATIENCE_S: Final = 120.0


@dataclass(frozen=True)
class Plan:
    """The size of a run.

    Attributes:
        minutes: from the first start to the last new job.
        seed: of the schedule and of the clients.
        clients: each with one job at a time.
        drain_s: longest wait for the last jobs' ends, s.
    """

    minutes: float = 30.0
    seed: int = 1
    clients: int = CLIENTS
    drain_s: float = DRAIN_S

    @property
    def load_s(self) -> float:
        """How long clients send jobs, s."""
        return max(60 * self.minutes - START_S, 40.0)


@dataclass
class Found:
    """What a run has shown.

    Attributes:
        plan: its size.
        ledger: what clients were told.
        moves: what the store committed.
        done: the events, in order.
        recovery_s: of each event: from the end of its trouble to the end of the first job of the
            affected kind that was sent after its beginning, s; None: none in time.
        documents: all of the store's.
        lost: accepted jobs that nobody will bring to an end.
        late: accepted jobs that the drain was too short for.
        given_up: jobs that used up their tries.
        wrong: ends and pictures that must not be, and what clients saw that must not be.
        pictures: completed results that were looked at.
        left: what was left behind, by what it is.
        watch: what processes held.
        starts: of each process.
        means: how disk and clock are broken here, or why not.
        unfinished: why the run came to no end; None: it did.
        seconds: of the whole run.
    """

    plan: Plan
    ledger: Ledger = field(default_factory=Ledger)
    moves: audit.Moves = field(default_factory=audit.Moves)
    done: list[Done] = field(default_factory=list)
    recovery_s: dict[int, float | None] = field(default_factory=dict)
    documents: dict[tuple[str, str], Document] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    pictures: int = 0
    left: dict[str, Any] = field(default_factory=dict)
    watch: Watch | None = None
    starts: dict[str, int] = field(default_factory=dict)
    means: dict[str, str] = field(default_factory=lambda: {"disk": "?", "clock": "?"})
    unfinished: str | None = None
    seconds: float = 0.0


async def soak(plan: Plan, folder: Path) -> Found:
    """Run it; whatever happens, what was found comes back and everything is stopped.

    Args:
        plan: its size.
        folder: empty, for logs and the store.
    """
    began, found = time.monotonic(), Found(plan)
    try:
        site = Site(folder, plan.minutes)
        async with site.running():
            found.means = site.means()
            click.echo(f"ready after {time.monotonic() - began:.0f} s")
            until = min(time.monotonic() + plan.load_s, began + 60 * plan.minutes)
            await _Run(found, site).loaded(until)
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - it stands in the result
        found.unfinished = f"{type(error).__name__}: {error}"
    found.seconds = time.monotonic() - began
    return found


class _Run:
    """One run on a site that is ready."""

    def __init__(self, found: Found, site: Site) -> None:
        self._found, self._site = found, site
        self._history = History(site.disk.folder)
        self._clients = Clients(site.url, found.ledger)
        found.watch = self._watch = Watch(site)
        self._tasks: list[asyncio.Task[Any]] = []

    async def loaded(self, until: float) -> None:
        """Send jobs and break things until a time; then let all end, stop, and look."""
        found, plan = self._found, self._found.plan
        stores = open_stores(self._site.store, JobContract())
        chaos = Chaos(self._site, stores, self._history)
        try:
            self._begin(self._watch.run())
            self._begin(self._audited())
            rngs = [random.Random(f"{plan.seed} {number}") for number in range(plan.clients)]
            lives = [self._clients.live(f"u{n}", rng) for n, rng in enumerate(rngs)]
            living = [self._begin(life) for life in lives]
            self._begin(self._broken(chaos))
            await asyncio.sleep(max(until - time.monotonic(), 0))
            self._clients.stop.set()
            chaos.mend()
            await self._drained(living)
        finally:
            self._clients.over.set()
            with contextlib.suppress(Exception):
                chaos.mend()
            found.wrong += await died(self._tasks)
            await self._clients.http.aclose()
            await stores.close()
            self._site.note_runs()
            await self._site.end()
            found.starts = self._site.starts
            await self._looked()

    def _begin(self, work: Any) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.append(task)
        return task

    async def _audited(self) -> None:
        """Hold each committed move against the contract, all through the run."""
        moves = self._found.moves
        while True:
            await asyncio.sleep(_LOOK_S)
            for problem in moves.take(await asyncio.to_thread(self._history.since, moves.number)):
                click.echo(f"  DOUBLED {problem}")

    async def _broken(self, chaos: Chaos) -> None:
        began, plan = time.monotonic(), self._found.plan
        for number, event in enumerate(schedule(plan.seed, plan.load_s)):
            await asyncio.sleep(max(began + event.at_s - time.monotonic(), 0))
            done = Done(event)
            self._found.done.append(done)
            self._begin(chaos.do(done))
            self._begin(self._recovered(number, done))

    async def _recovered(self, number: int, done: Done) -> None:
        """Time the next job of the affected kind, sent after the trouble has begun."""
        await done.begun.wait()
        if done.skipped is not None:
            return
        found = self._found
        found.recovery_s[number] = None
        rng = random.Random(number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                job = None
                while job is None or job.ended != "completed":
                    job = await self._clients.ordered(f"e{number}", ORDERS[done.affects], rng)
                    if job is not None:
                        await self._clients.followed(job)
                while not done.ended_s:
                    await asyncio.sleep(_LOOK_S / 10)
                found.recovery_s[number] = max((job.ended_s or 0) - done.ended_s, 0.0)

    async def _drained(self, living: list[asyncio.Task[Any]]) -> None:
        """Wait until no accepted job is without an end and no message is left, or time is over."""
        until = time.monotonic() + self._found.plan.drain_s
        while time.monotonic() < until:
            documents = await asyncio.to_thread(self._history.documents)
            waiting = sum(
                key in documents and not _final(documents[key])
                for key in self._found.ledger.accepted
            )
            left = await asyncio.to_thread(self._history.messages)
            if not waiting and not left[0] and all(task.done() for task in living):
                return
            click.echo(f"  {waiting} jobs and {left[0]} messages are left")
            await asyncio.sleep(2 * _LOOK_S)

    async def _looked(self) -> None:
        """Look at the store once everything has stopped."""
        found, history = self._found, self._history
        found.moves.take(history.since(found.moves.number))
        found.documents = history.documents()
        found.lost, found.late = audit.lost(found.ledger, found.documents, history.queued())
        found.lost += audit.displaced(found.moves, found.documents)
        found.given_up, wrong = audit.ends(found.ledger, found.documents)
        found.wrong += found.ledger.wrong + wrong
        await asyncio.to_thread(self._look_at_pictures)
        found.left = self._left()

    def _look_at_pictures(self) -> None:
        found = self._found
        allowed_s = max(PICTURES_S, _PICTURE_S * len(found.ledger.accepted))
        until = time.monotonic() + allowed_s
        for key, job in found.ledger.accepted.items():
            document = found.documents.get(key)
            if document is None or document["processingStatus"] != "completed":
                continue
            if time.monotonic() > until:
                return
            problems = self._wrong_pictures(job, document)
            found.wrong += [f"{'/'.join(key)}: {job.kind}: {problem}" for problem in problems]
            found.pictures += 1

    def _wrong_pictures(self, job: Accepted, document: Document) -> list[str]:
        folder, files = self._site.disk.folder / "files", {}
        for name, path in document["paths"].items():
            if path is not None and (folder / path).is_file():
                files[name] = (folder / path).read_bytes()
        return audit.wrong_files(job, files, job.material if job.material in materials() else "")

    def _left(self) -> dict[str, Any]:
        """Return what is left of jobs that are over, and of processes that have ended."""
        files = self._site.disk.folder / "files"
        found: Counter[str] = Counter()
        for path in files.rglob("*"):
            if path.is_file() and path.parent.name in ("attempts", ".partial"):
                found[path.parent.name] += 1
        unasked = {k: d for k, d in self._found.documents.items() if k not in self._accepted}
        waiting, dead = self._history.messages()
        running, segments = self._site.left_running(), self._site.left_in_memory()
        return {
            "files of attempts": found["attempts"],
            "files half written": found[".partial"],
            "messages": waiting,
            "dead letters": dead,
            "segments of shared memory": len(segments),
            "temporary files": dict(self._site.left_on_disk()),
            "processes": running,
            KILLED: self._site.killed,
            "jobs that no client was told of": len(unasked),
            UNENDED: sum(not _final(document) for document in unasked.values()),
        }

    @property
    def _accepted(self) -> dict[tuple[str, str], Accepted]:
        return self._found.ledger.accepted


async def died(tasks: Sequence[asyncio.Task[Any]]) -> list[str]:
    """Cancel tasks that still run, and return what others have died of: they broke nothing more."""
    for task in tasks:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    return [
        f"{getattr(task.get_coro(), '__qualname__', 'a task')} died: {type(end).__name__}: {end}"
        for task, end in zip(tasks, ends, strict=True)
        if isinstance(end, Exception)
    ]


def _final(document: Document) -> bool:
    return Status(document["processingStatus"]).final
