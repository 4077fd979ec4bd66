"""A job in a worker's hands: its lease is extended, its progress is written."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from pawfect_service.jobs.contract import Status
from pawfect_service.jobs.document import SessionDocument, attempt_paths, own_paths
from pawfect_service.jobs.kinds import Kind
from pawfect_service.jobs.message import JobMessage
from pawfect_service.jobs.move import Answer, Step
from pawfect_service.jobs.moves import extend_lease
from pawfect_service.jobs.paths import preview_path, session_path
from pawfect_service.jobs.repair import readable
from pawfect_service.sessions import Sessions
from pawfect_service.worker.told import NO_NEWS, News, Told

LOG: Final = logging.getLogger("pawfect.worker")

# Progress reaches the document at most twice a second.
PROGRESS_EVERY_S: Final = 0.5
# Without progress the lease is extended this often within its length: two may fail in a row.
_BEATS_PER_LEASE: Final = 6
# A writing that is under way when the work ends is waited for so long, s: a store's own calls take
# no longer, and a worker that is told to stop has some time for it.
_WRITTEN_S: Final = 5.0
# Keeps the message from other workers for a number of seconds.
Hold = Callable[[float], Awaitable[None]]


@dataclass(frozen=True)
class HeldJob:
    """A job whose lease is this worker's.

    Attributes:
        sessions: moves of the documents.
        message: which job.
        session: as it stood when it was taken up.
        hold: keeps the queue's message away from others.
        owner: the name of this piece of work, in the lease.
    """

    sessions: Sessions
    message: JobMessage
    session: SessionDocument
    hold: Hold
    owner: str

    @property
    def kind(self) -> Kind:
        """What the job is of."""
        return self.session.kind

    @property
    def start(self) -> int:
        """Which of the job's starts this is."""
        return self.session.counts.starts

    def path(self, name: str) -> str:
        """Return the path of one of the session's files."""
        return session_path(self.message.uid, self.message.sid, name)

    def attempts(self) -> dict[str, str]:
        """Return where this start puts each output until it has won, by name."""
        message = self.message
        return attempt_paths(message.uid, message.sid, message.job, self.start, self.kind)

    def preview_path(self) -> str:
        """Return where this start puts what is made so far; gone once the job is over."""
        message = self.message
        return preview_path(message.uid, message.sid, message.job, self.start)

    def published(self) -> dict[str, str]:
        """Return where each output lies once the job is completed, by name."""
        own = own_paths(self.message.uid, self.message.sid, self.kind)
        return {name: own[name] for name in self.kind.outputs}

    def holds(self, session: SessionDocument | None) -> bool:
        """Say whether a session, as it stands now, still has this work under way."""
        return (
            session is not None
            and (session.job, session.processing_status) == (self.message.job, Status.PROCESSING)
            and session.lease is not None
            and session.lease.owner == self.owner
        )

    async def changes(self) -> AsyncIterator[SessionDocument | None]:
        """Yield the session now and after each change; None once it is gone."""
        uid, sid = self.message.uid, self.message.sid
        versions = self.sessions.documents.watch(uid, sid)
        try:
            async for document in versions:
                now = time.time()
                yield None if document is None else readable(uid, sid, document, now)
        finally:
            close = getattr(versions, "aclose", None)
            if close is not None:
                await close()

    async def move(self, move: Callable[..., Step], **named: Any) -> Step:
        """Make a move as the holder of the job's lease."""
        named = {"job": self.message.job, "owner": self.owner, **named}
        return await self.sessions.move(self.message.uid, self.message.sid, move, **named)

    async def extend(self, news: News = NO_NEWS) -> Step:
        """Hold job and message for another `lease_s`; GO_ON, or why not."""
        step = await self.write(news)
        await self.hold_on(step)
        return step

    async def write(self, news: News) -> Step:
        """Hold the job for another `lease_s` and write down what was told; GO_ON, or why not."""
        return await self.move(
            extend_lease,
            progress=news.progress,
            lines=news.lines,
            preview=news.preview,
            candidates=news.candidates,
            sheet=news.sheet,
        )

    async def hold_on(self, step: Step) -> None:
        """Hold the message as long as the job, where that is held."""
        if step.answer is Answer.GO_ON:
            await self.hold(self.sessions.contract.lease_s)


class LeaseKeeper:
    """Writes what a job's work tells and keeps its lease, until somebody else has the last word.

    Args:
        job: whose.
        told: what the work tells.
    """

    def __init__(self, job: HeldJob, told: Told) -> None:
        self._job = job
        self._told = told
        self._lost = asyncio.Event()

    async def last_words(self) -> None:
        """Write what was told since the last beat; where the store is away, that is lost."""
        news = self._told.take()
        if self._job.session.live and news != NO_NEWS:
            with contextlib.suppress(Exception):
                await self._job.extend(news)

    async def run(self) -> Answer:
        """Beat until the job is to be stopped; return why: LATE, BUSY or OVER.

        A job that was cancelled or deleted is beaten for at once.
        """
        watching = asyncio.create_task(self._watch())
        try:
            return await self._beats()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self) -> None:
        """Note that the job is no longer this worker's, as soon as its document says so."""
        while True:
            try:
                async for session in self._job.changes():
                    if not self._job.holds(session):
                        self._lost.set()
            except Exception:
                # The beats find it out too, later.
                LOG.warning("a job could not be watched", exc_info=True)
            await asyncio.sleep(self._pause_s)

    @property
    def _pause_s(self) -> float:
        return min(PROGRESS_EVERY_S, self._job.sessions.contract.lease_s / _BEATS_PER_LEASE)

    async def _pause(self) -> None:
        """Wait for the next beat, no longer than until the job is lost."""
        # Python 3.11's wait_for loses a cancellation that comes together with the loss.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pause_s):
                await self._lost.wait()

    async def _beats(self) -> Answer:
        lease_s = self._job.sessions.contract.lease_s
        held_at, beat_at = time.monotonic(), 0.0
        while True:
            silent_s = time.monotonic() - beat_at
            quiet = self._told.quiet and silent_s < lease_s / _BEATS_PER_LEASE
            if quiet and not self._lost.is_set():
                await self._pause()
                continue
            beat_at, lost = time.monotonic(), self._lost.is_set()
            self._lost.clear()
            try:
                async with asyncio.timeout(lease_s):
                    answer = await self._beat()
            except Exception:
                # The store is away: the lease holds for a while without it.
                LOG.warning("a lease could not be extended", exc_info=True)
                if time.monotonic() - held_at > lease_s:
                    return Answer.BUSY
                if lost:
                    self._lost.set()
                await asyncio.sleep(self._pause_s)
            else:
                if answer is not Answer.GO_ON:
                    return answer
                held_at = beat_at
                await self._pause()

    async def _beat(self) -> Answer:
        """Write the news down; those that are not written are told again.

        Cancelled meanwhile, it waits for the writing: only then is it known which that is.
        """
        news = self._told.take()
        writing = asyncio.create_task(self._job.write(news))
        try:
            step = await asyncio.shield(writing)
        except BaseException:
            await asyncio.wait({writing}, timeout=_WRITTEN_S)
            done = writing.done() and not writing.cancelled()
            if not done or writing.exception() is not None:
                writing.cancel()
                self._told.put_back(news)
            raise
        await self._job.hold_on(step)
        return step.answer
