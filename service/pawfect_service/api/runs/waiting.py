"""How many jobs wait before one, counted once for all who follow it."""

from __future__ import annotations

import asyncio
import time
from typing import Final
from weakref import WeakKeyDictionary

from pawfect_service.api.runs.run import waiting_before
from pawfect_service.jobs.document import SessionDocument
from pawfect_service.sessions import Sessions


class _Counts:
    """Those of a store: until when each is good, and how many, by when its job was queued."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.known: dict[float, tuple[float, int]] = {}


_KEPT: Final[WeakKeyDictionary[Sessions, _Counts]] = WeakKeyDictionary()


async def shared_count(sessions: Sessions, job: SessionDocument, kept_s: float) -> int:
    """Return how many jobs wait before one, as it was at most `kept_s` ago.

    A process counts one at a time, whoever asks.

    Args:
        sessions: where they are.
        job: before which.
        kept_s: how long a count is good, s.
    """
    counts = _KEPT.setdefault(sessions, _Counts())
    async with counts.lock:
        now = time.monotonic()
        counts.known = {at: kept for at, kept in counts.known.items() if kept[0] > now}
        if job.queued_at not in counts.known:
            found = await waiting_before(sessions, job)
            counts.known[job.queued_at] = now + kept_s, found
        return counts.known[job.queued_at][1]
