"""A store whose every call waits until the test lets it happen, and what really becomes of jobs.

Requests are coroutines over the real `QuotaKeeper` and the real moves. Each of their calls to the
store is an effect: which of those that wait happens next is the test's choice, so that requests of
several processes meet in every order, and any of them may die between two effects.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from pawfect_service.jobs import moves
from pawfect_service.jobs.contract import Document, JobContract
from pawfect_service.jobs.fields import Cost
from pawfect_service.jobs.kinds import CUTOUT
from pawfect_service.jobs.move import Answer
from pawfect_service.jobs.paths import session_path
from pawfect_service.jobs.repair import readable
from pawfect_service.quotas.keeper import QuotaKeeper, RefusedError
from pawfect_service.quotas.ledger import day_of
from pawfect_service.quotas.limits import Exceptions, Limits
from pawfect_service.quotas.prices import Prices
from pawfect_service.quotas.queueing import queue_admitted
from pawfect_service.sessions import Sessions
from pawfect_service.stores.base import Change, Decide

UID = "u"
# 100 millionths of a USD for a request, two candidates, three requests for each at most.
PRICES = Prices(gemini=100e-6)
START_USD = 600
LIMITS = Limits(jobs=3, kept_bytes=12, judge_usd=1500e-6)


@dataclass(frozen=True)
class _Rules:
    limits: Limits = LIMITS
    prices: Prices = PRICES
    off: bool = False

    def of(self, uid: str) -> Limits:
        return self.limits


@dataclass
class Waiting:
    """A call to the store that has not happened yet."""

    act: Callable[[], Any]
    happened: asyncio.Future[Any]


@dataclass
class Spent:
    """What a job really cost, and what it might at most have cost a second time.

    Attributes:
        day: on which it was queued.
        usd: millionths that were really asked for.
        again: what starts after the first may have added.
    """

    day: str
    usd: int = 0
    again: int = 0


@dataclass
class World:
    """One user's store, requests that are under way, and jobs."""

    rules: Any = field(default_factory=_Rules)
    now: float = 1_800_000_000.0
    waiting: list[Waiting] = field(default_factory=list)
    ledger: tuple[Document | None, int] = (None, 0)
    sessions: dict[str, Document] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    results: int = 0
    spent: dict[str, Spent] = field(default_factory=dict)
    requests: list[asyncio.Task[Any]] = field(default_factory=list)
    uploads: dict[str, dict[str, int]] = field(default_factory=dict)
    paid: Counter[str] = field(default_factory=Counter)
    names: int = 0

    def __post_init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.contract = JobContract()

    def close(self) -> None:
        for task in self.requests:
            task.cancel()
        self.run()
        self.loop.close()

    def keeper(self, *, optimistic: bool) -> QuotaKeeper:
        """The quotas of another process, over a store that locks, or one that tries again."""
        documents: Any = SimpleNamespace(get=self._get, update=self._update_session)
        update = self._update_optimistically if optimistic else self._update
        stores: Any = SimpleNamespace(
            documents=documents,
            files=SimpleNamespace(sizes=self._sizes, put=self._put),
            records=SimpleNamespace(update_quota=update, quota=self._quota),
        )
        return QuotaKeeper(stores, Sessions(documents, self.contract), self.rules)

    # --- effects ---------------------------------------------------------------------------------

    async def _effect(self, act: Callable[[], Any]) -> Any:
        mine = Waiting(act, self.loop.create_future())
        self.waiting.append(mine)
        try:
            return await mine.happened
        finally:
            if mine in self.waiting:
                self.waiting.remove(mine)

    async def _get(self, uid: str, sid: str) -> Document | None:
        return await self._effect(lambda: self.sessions.get(sid))

    async def _update_session(self, uid: str, sid: str, decide: Decide) -> Any:
        return await self._effect(lambda: self.transact(sid, decide))

    async def _sizes(self, folder: str) -> dict[str, int]:
        return await self._effect(lambda: dict(self.files))

    async def _put(self, files: Mapping[str, int]) -> None:
        await self._effect(lambda: self.files.update(files))

    async def _quota(self, uid: str) -> Document | None:
        return await self._effect(lambda: self.ledger[0])

    async def _update(self, uid: str, decide: Decide) -> Any:
        def act() -> Any:
            change = decide(self.ledger[0], self.now)
            if change.document is not None or change.delete:
                self._write(change.document)
            return change.answer

        return await self._effect(act)

    async def _update_optimistically(self, uid: str, decide: Decide) -> Any:
        while True:
            (document, version), now = await self._effect(lambda: (self.ledger, self.now))
            change = decide(document, now)
            if change.document is None and not change.delete:
                return change.answer

            def commit(new: Document | None = change.document, seen: int = version) -> bool:
                taken = self.ledger[1] == seen
                if taken:
                    self._write(new)
                return taken

            if await self._effect(commit):
                return change.answer

    def _write(self, document: Document | None) -> None:
        # Through JSON, as a store has it.
        self.ledger = json.loads(json.dumps(document)), self.ledger[1] + 1

    def transact(self, sid: str, decide: Decide) -> Any:
        change = decide(self.sessions.get(sid), self.now)
        if change.document is not None:
            self.sessions[sid] = change.document
        return change.answer

    # --- what happens ----------------------------------------------------------------------------

    def run(self) -> None:
        """Let every coroutine go on to its next effect."""

        async def idle() -> None:
            for _ in range(12):
                await asyncio.sleep(0)

        self.loop.run_until_complete(idle())
        self.requests = [task for task in self.requests if not task.done()]

    def happen(self, which: int) -> None:
        """Have one of the effects that wait happen."""
        one = self.waiting.pop(which % len(self.waiting))
        one.happened.set_result(one.act())
        self.run()

    def finish(self) -> None:
        """Have all that waits happen, the oldest first."""
        while self.waiting:
            self.happen(0)

    def begin(self, request: Any) -> asyncio.Task[Any]:
        task = self.loop.create_task(request)
        # A refusal is an answer; anything else is the test's failure.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        self.requests.append(task)
        self.run()
        return task

    async def post(self, keeper: QuotaKeeper, sid: str, size: int, usd: int) -> Answer:
        """A request for a job, in the order in which the API does things."""
        self.names += 1
        job = f"job{self.names}"
        files = {session_path(UID, sid, "original.jpg"): size}
        paid = ("gemini",) if usd else ()
        self.paid[day_of(self.now)] += bool(usd)
        place = await keeper.admit(UID, sid, job, files, usd, paid)
        assert place is not None
        request = {"threshold": self.names / 1000}
        step = await keeper._sessions.move(
            UID, sid, queue_admitted, job=job, kind=CUTOUT, request=request, until=place.until
        )
        if step.answer is not Answer.QUEUED:
            await keeper.release(UID, job)
            return step.answer
        self.uploads[job] = files
        if usd:
            self.spent[job] = Spent(day_of(self.now))
        await keeper._stores.files.put(files)
        return step.answer

    async def upload(self, keeper: QuotaKeeper, size: int) -> None:
        """A request that stores a file without a job."""
        self.names += 1
        files = {f"users/{UID}/references/{self.names}.jpg": size}
        await keeper.admit_upload(UID, files)
        await keeper._stores.files.put(files)

    def move(self, sid: str, move: Any, **named: Any) -> Any:
        """Make one of a job's moves at once."""
        sessions = Sessions(SimpleNamespace(update=self._at_once), self.contract)
        return self.loop.run_until_complete(sessions.move(UID, sid, move, **named))

    async def _at_once(self, uid: str, sid: str, decide: Decide) -> Any:
        return self.transact(sid, decide)

    def start(self, sid: str, calls: list[int | None]) -> bool:
        """A worker takes a job up and asks the judges; `None`: thrice, and in vain."""
        document = self.sessions[sid]
        job = document["job"]
        self.names += 1
        if self.move(sid, moves.take_up, job=job, owner=f"w{self.names}").answer is not Answer.RUN:
            return False
        if job in self.spent:
            self.spent[job].usd += sum(100 * (3 if each is None else each) for each in calls)
            if self.sessions[sid]["counts"]["starts"] > 1:
                self.spent[job].again += START_USD
        return True

    def end(self, sid: str, calls: list[int | None], size: int) -> None:
        """Its worker finishes it: a report of what was asked, and a result that is always kept."""
        lease = self.sessions[sid]["lease"]
        named = {"job": self.sessions[sid]["job"], "owner": lease["owner"]}
        report = json.dumps({"candidates": [_candidate(each) for each in calls]})
        cost = Cost(amount=0.0, unit="USD", seconds=1.0)
        self.move(sid, moves.claim_result, **named, report=report, cost=cost)
        self.move(sid, moves.complete, job=named["job"])
        self.files[session_path(UID, sid, f"{named['job']}.png")] = size
        self.results += size

    # --- what is true ----------------------------------------------------------------------------

    def in_flight(self) -> int:
        return len(self._busy())

    def idle_files(self) -> list[str]:
        """Files of no job that is in flight."""
        return [path for path in sorted(self.files) if path.split("/")[3] not in self._busy()]

    def brought(self) -> dict[str, int]:
        """What the jobs in flight uploaded, or were about to."""
        found = (self.uploads.get(self.sessions[sid]["job"], {}) for sid in self._busy())
        return {path: size for files in found for path, size in files.items()}

    def _busy(self) -> set[str]:
        found = {sid: readable(UID, sid, one, self.now) for sid, one in self.sessions.items()}
        return {sid for sid, session in found.items() if not session.final}

    def check(self) -> None:
        """Hold what is true against the quotas."""
        limits = self.rules.limits
        assert self.in_flight() <= limits.jobs
        assert sum(self.files.values()) <= limits.kept_bytes + self.results
        by_day: dict[str, list[Spent]] = defaultdict(list)
        for one in self.spent.values():
            by_day[one.day].append(one)
        for day, jobs in by_day.items():
            most = round(limits.judge_usd * 1e6) + sum(one.again for one in jobs)
            assert sum(one.usd for one in jobs) <= most, day


def _candidate(calls: int | None) -> dict[str, Any]:
    said = [] if calls is None else [{"judge": "gemini", "calls": calls}]
    return {"number": 0, "judgements": said}


__all__ = ["LIMITS", "PRICES", "START_USD", "UID", "Change", "Exceptions", "RefusedError", "World"]
