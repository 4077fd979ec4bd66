"""A worker waits for a server that is away, in place of using up its jobs' tries on it.

A server that is started anew takes ten seconds and more. Each job that is begun meanwhile fails,
and comes again after a backoff that doubles each time: of jobs that had failed four times, the next
try came 16 s after the one before, however soon the server was back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from pawfect.contract.errors import ErrorKind
from pawfect_service.http.health import Readiness
from pawfect_service.jobs.contract import PATIENCE_S

# What a job fails with while the server, or one of its models, is away.
AWAY: Final = frozenset({ErrorKind.UNAVAILABLE, ErrorKind.MODEL_DOWN})
# How often it is asked whether it is back, s.
LOOK_S: Final = 1.0


class Patience:
    """Knows whether the server is away, as far as this worker's jobs have found out.

    Args:
        readiness: asks the server.
        lease_s: of a delivery, which is held again while it waits, s.
    """

    def __init__(self, readiness: Readiness, lease_s: float) -> None:
        self._readiness = readiness
        self._lease_s = lease_s
        self._away = False
        self._asking = asyncio.Lock()
        self._asked = 0.0

    def failed(self, kind: ErrorKind | None) -> None:
        """Take how a job failed; None: it did not."""
        if kind in AWAY:
            self._away = True

    def worked(self) -> None:
        """Take that a job has been done: the server is there, however late its probes are."""
        self._away = False

    async def wait(
        self, hold: Callable[[float], Awaitable[None]], stopped: asyncio.Future[Any]
    ) -> bool:
        """Wait until the server is there as far as is known, or has been away for too long.

        Args:
            hold: keeps the delivery that waits from other workers for a number of seconds.
            stopped: done once the worker is told to stop: then nobody waits any more.

        Returns:
            Whether to begin the job; False where the worker was told to stop meanwhile.
        """
        began = held = time.monotonic()
        while self._away and time.monotonic() - began < PATIENCE_S and not stopped.done():
            await self._ask()
            if not self._away:
                break
            await asyncio.wait({stopped}, timeout=LOOK_S)
            if time.monotonic() - held > self._lease_s / 3:
                held = time.monotonic()
                await hold(self._lease_s)
        return not stopped.done()

    async def _ask(self) -> None:
        """Ask once for all who wait."""
        async with self._asking:
            if self._away and time.monotonic() - self._asked >= LOOK_S:
                self._asked = time.monotonic()
                self._away = not await self._readiness.is_back()
