"""What a run's job tells those who follow it: state, log lines, previews, candidates, its end.

Each message has a number, higher than those before it. Whoever was cut off says the last number
that it has: nothing it has not had is left out but what newer words have replaced, and nothing
comes twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final

from pawfect_service.api.runs.state import version_state
from pawfect_service.api.runs.waiting import shared_count
from pawfect_service.api.state import SHOWN_EVERY_S, session_now
from pawfect_service.jobs.contract import Status
from pawfect_service.jobs.document import SessionDocument
from pawfect_service.jobs.live import Live, LiveCandidate
from pawfect_service.jobs.paths import RunId
from pawfect_service.jobs.repair import readable
from pawfect_service.sessions import Sessions

Message = dict[str, Any]

JOBS: Final = "/api/v1/jobs"
# Numbers of messages between two of the document's: how many jobs wait before one changes without
# a writing, at most every `RECOUNT_S` of the 15 minutes in which it has to start.
_BETWEEN: Final = 1000
RECOUNT_S: Final = 2.0
# A job of which nothing comes may be one that nobody will ever start: it is looked at so often, s.
_LOOKED_S: Final = 10.0


def news(
    run: RunId, version: int, session: SessionDocument, after: int, waiting: int | None
) -> list[Message]:
    """Return what a client has not heard of a job, oldest first.

    Args:
        run: which.
        version: that the job makes.
        session: the job as it stands.
        after: the number of the last message that the client has; 0: none.
        waiting: how many jobs wait before it; None: it does not wait.
    """
    live = session.live or Live()
    messages: list[Message] = [
        {"type": "log", "seq": line.seq * _BETWEEN, "at": line.at, "line": line.text}
        for line in live.lines
    ]
    messages += [_candidate(session, live, one) for one in live.candidates]
    if live.preview is not None and not session.final:
        url = f"{JOBS}/{run.job_id(version)}/preview.jpg?seq={live.preview}"
        messages.append({"type": "preview", "seq": live.preview * _BETWEEN, "url": url})
    number = live.state * _BETWEEN
    messages.append(
        _end(run, version, session, number) if session.final else _state(session, number, waiting)
    )
    fresh = [message for message in messages if message["seq"] > after]
    return sorted(fresh, key=lambda message: int(message["seq"]))


def _candidate(session: SessionDocument, live: Live, one: LiveCandidate) -> Message:
    told = one.model_dump(by_alias=True)
    del told["seq"]
    return {
        "type": "candidate",
        "seq": one.seq * _BETWEEN,
        "start": session.counts.starts,
        "sheet": None if live.sheet is None else live.sheet.model_dump(by_alias=True),
        "candidate": told,
    }


def _state(session: SessionDocument, number: int, waiting: int | None) -> Message:
    progress = session.progress
    return {
        "type": "state",
        "seq": number,
        "status": session.processing_status.value,
        "progress": None if progress is None else progress.model_dump(),
        "waitingBefore": waiting,
        "at": session.updated_at,
    }


def _end(run: RunId, version: int, session: SessionDocument, number: int) -> Message:
    state = version_state(run, version, session)
    return {
        "type": "end",
        "seq": number,
        "status": state.processing_status,
        "version": version,
        "report": state.report,
        "error": None if state.error is None else state.error.model_dump(),
    }


async def follow(
    sessions: Sessions, run: RunId, version: int, after: int
) -> AsyncGenerator[Message]:
    """Yield a job's messages, at most twice a second, until its end.

    Args:
        sessions: where it is.
        run: which.
        version: that the job makes.
        after: the number of the last message that the client has; 0: none.
    """
    follower = _Follower(sessions, run, version, after)
    watched = sessions.documents.watch(run.uid, run.sid(version))
    following = asyncio.ensure_future(anext(watched, None))
    try:
        while True:
            await asyncio.wait({following}, timeout=RECOUNT_S)
            if following.done():
                document = following.result()
                if document is None:
                    return
                session = readable(run.uid, run.sid(version), document, time.time())
                for message in await follower.heard(session):
                    yield message
                if session.final:
                    return
                following = asyncio.ensure_future(anext(watched, None))
                await asyncio.sleep(SHOWN_EVERY_S)
            else:
                for message in await follower.silence():
                    yield message
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        close: Callable[[], Any] | None = getattr(watched, "aclose", None)
        if close is not None:
            await close()


class _Follower:
    """What one client has heard."""

    def __init__(self, sessions: Sessions, run: RunId, version: int, after: int) -> None:
        self._sessions, self._run, self._version = sessions, run, version
        self._after = after
        self._waiting: int | None = None
        self._session: SessionDocument | None = None
        self._looked = time.monotonic()

    async def heard(self, session: SessionDocument) -> list[Message]:
        """Return what is new in a document."""
        self._session = session
        waiting = await self._count(session)
        messages = news(self._run, self._version, session, self._after, waiting)
        told = any(message["type"] == "state" for message in messages)
        if messages:
            self._after = messages[-1]["seq"]
        if not (told or session.final) and waiting != self._waiting:
            messages.append(self._recounted(session, waiting))
        self._waiting = waiting
        return messages

    async def silence(self) -> list[Message]:
        """Return what is new though nothing was written; have a lost job given up."""
        session = self._session
        if session is None:
            return []
        if time.monotonic() - self._looked > _LOOKED_S:
            self._looked = time.monotonic()
            await session_now(self._sessions, self._run.uid, self._run.sid(self._version))
        waiting = await self._count(session)
        if waiting == self._waiting:
            return []
        self._waiting = waiting
        return [self._recounted(session, waiting)]

    async def _count(self, session: SessionDocument) -> int | None:
        if session.processing_status is not Status.PENDING:
            return None
        return await shared_count(self._sessions, session, RECOUNT_S)

    def _recounted(self, session: SessionDocument, waiting: int | None) -> Message:
        self._after += 1
        return _state(session, self._after, waiting) | {"at": time.time()}
