"""/healthz and /readyz: whether this process runs, and whether Triton fills."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from fastapi import FastAPI

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_client.client import AsyncPawfectClient
from pawfect_service.http.failures import FAILURES, add_handlers
from pawfect_service.http.middleware import UNTOLD

# An answer counts for so long, s: a balancer that asks every second costs next to nothing.
KEPT_S: Final = 5.0
# Longest wait for the server, s.
PATIENCE_S: Final = 3.0
# A server that has not answered in time is busy, s after its last answer, and only then in trouble:
# jobs wait for it in the queue, so a full house must not take every API away from the balancer.
BUSY_S: Final = 120.0


class Readiness:
    """Asks the server's `inpaint` to fill four pixels.

    Args:
        client: of the server, with a short timeout and no retries.
    """

    def __init__(self, client: AsyncPawfectClient) -> None:
        self._client = client
        self._lock = asyncio.Lock()
        self._asked: float | None = None
        self._answered: float | None = None
        self._failure: PawfectError | None = None

    async def check(self) -> None:
        """Return where the server has answered a moment ago, or is busy since a short while.

        Raises:
            PawfectError: what it, or the connection to it, answered instead.
        """
        async with self._lock:
            if self._asked is None or time.monotonic() - self._asked > KEPT_S:
                self._failure = await self._ask()
                self._asked = time.monotonic()
        if self._failure is not None:
            # A new one each time: an exception carries the frames it was raised in.
            raise PawfectError(self._failure.kind, self._failure.message)

    async def is_back(self) -> bool:
        """Say whether the server answers, or says that it is busy, whatever it was before.

        No answer in time says nothing, where none came lately: a host that is gone is as silent.
        """
        async with self._lock:
            self._failure = await self._ask()
            self._asked = time.monotonic()
            return self._failure is None or self._failure.kind is ErrorKind.QUEUE_FULL

    async def _ask(self) -> PawfectError | None:
        try:
            await self._client.probe()
        except PawfectError as error:
            late = error.kind in {ErrorKind.DEADLINE, ErrorKind.QUEUE_FULL}
            since = self._answered
            busy = late and since is not None and time.monotonic() - since < BUSY_S
            return None if busy else error
        self._answered = time.monotonic()
        return None


def health_app(readiness: Readiness) -> FastAPI:
    """Return an app that says how this process is, and nothing else."""
    app = FastAPI(openapi_url=None, telemetry=UNTOLD)
    add_health(app, readiness)
    add_handlers(app)
    return app


def add_health(app: FastAPI, readiness: Readiness) -> None:
    """Add /healthz and /readyz; neither asks who calls."""

    @app.get("/healthz", tags=["health"], summary="This process runs")
    async def healthz() -> dict[str, bool]:
        return {"alive": True}

    @app.get(
        "/readyz",
        tags=["health"],
        summary="The server behind it fills",
        responses={503: FAILURES[503]},
    )
    async def readyz() -> dict[str, bool]:
        """Tell whether a tiny real inference was answered, or the server is busy with jobs."""
        await readiness.check()
        return {"ready": True}
