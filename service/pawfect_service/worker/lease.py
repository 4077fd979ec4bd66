"""While a job is being worked on: its leases are extended, its progress is written."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from pawfect_service.jobs.fields import Progress, storable
from pawfect_service.jobs.move import Answer
from pawfect_service.jobs.moves import extend_lease
from pawfect_service.worker.held_job import HeldJob

LOG: Final = logging.getLogger("pawfect.worker")

# Progress reaches the document at most twice a second.
PROGRESS_EVERY_S: Final = 0.5
# Without progress the lease is extended this often within its length: two may fail in a row.
_BEATS_PER_LEASE: Final = 6


class LeaseKeeper:
    """Writes a job's progress and keeps its lease, until somebody else has the last word.

    Args:
        job: whose.
    """

    def __init__(self, job: HeldJob) -> None:
        self._job = job
        self._news: Progress | None = None

    def note(self, stage: str, share: float) -> None:
        """Note how far the job is; it is written with the next beat."""
        self._news = Progress(stage=storable(stage), share=min(max(float(share), 0.0), 1.0))

    async def run(self) -> Answer:
        """Beat until the job is to be stopped; return why: LATE, BUSY or OVER."""
        lease_s = self._job.sessions.contract.lease_s
        held_at, beat_at = time.monotonic(), 0.0
        while True:
            silent_s = time.monotonic() - beat_at
            if self._news is None and silent_s < lease_s / _BEATS_PER_LEASE:
                await asyncio.sleep(min(PROGRESS_EVERY_S, lease_s / _BEATS_PER_LEASE))
                continue
            beat_at = time.monotonic()
            try:
                async with asyncio.timeout(lease_s):
                    answer = await self._beat()
            except Exception:
                # The store is away: the lease holds for a while without it.
                LOG.warning("a lease could not be extended", exc_info=True)
                if time.monotonic() - held_at > lease_s:
                    return Answer.BUSY
            else:
                if answer is not Answer.GO_ON:
                    return answer
                held_at = beat_at
            await asyncio.sleep(min(PROGRESS_EVERY_S, lease_s / _BEATS_PER_LEASE))

    async def _beat(self) -> Answer:
        news, self._news = self._news, None
        try:
            step = await self._job.move(extend_lease, progress=news)
        except BaseException:
            self._news = self._news or news
            raise
        if step.answer is Answer.GO_ON:
            await self._job.hold(self._job.sessions.contract.lease_s)
        return step.answer
