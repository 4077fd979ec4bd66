"""Asking Triton for labels while the job is queued, without keeping the request waiting."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from opentelemetry.trace import SpanKind

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_service.frames import bare_failure
from pawfect_service.jobs.fields import SceneLabels
from pawfect_service.jobs.kinds import Kind
from pawfect_service.jobs.kinds.request import JobRequest
from pawfect_service.jobs.labelling import set_labels, set_labels_error
from pawfect_service.jobs.message import JobMessage
from pawfect_service.services import Services
from pawfect_service.telemetry.logs import log_fields, without_got
from pawfect_service.telemetry.traces import span

LOG: Final = logging.getLogger("pawfect.labels")

_MODEL: Final = "scene_labels"
# Calls to the server at a time.
_AT_ONCE: Final = 4
# An answer that takes longer is not waited for, s.
_PATIENCE_S: Final = 30.0
# What a process that ends leaves its jobs, s.
_FAREWELL_S: Final = 2.0
# Labels start so much later at most where requests come without a pause, s: little of the 15 s that
# a job waits for them.
_GIVE_WAY_S: Final = 1.0


class LabelTasks:
    """Tasks that ask for labels; they outlive the request that started them.

    What they find lands in the document's sceneLabels, whatever goes wrong in sceneLabelsError.

    Args:
        services: store and server.
        at_most: how many tasks, waiting ones included; the next one ends with an error at once.
        give_way: returns once this process has nothing more urgent to do, or after some seconds.
    """

    def __init__(
        self,
        services: Services,
        at_most: int = 256,
        give_way: Callable[[float], Awaitable[None]] | None = None,
    ) -> None:
        self._services = services
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._at_most = at_most
        self._give_way = give_way
        self._tasks: dict[JobMessage, asyncio.Task[None]] = {}

    def start(self, job: JobMessage, kind: Kind, request: JobRequest) -> None:
        """Ask for a job's labels in a task of its own, unless one does already."""
        if job in self._tasks or not kind.labelled:
            return
        full = PawfectError(ErrorKind.QUEUE_FULL, f"labels: expected at most {self._at_most} jobs")
        many = len(self._tasks) >= self._at_most
        task = asyncio.create_task(
            self._record(job, full) if many else self._label(job, kind, request)
        )
        self._tasks[job] = task
        task.add_done_callback(lambda _: self._tasks.pop(job, None))

    async def close(self) -> None:
        """End all tasks; their documents say so, as far as the store answers in time."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _label(self, job: JobMessage, kind: Kind, request: JobRequest) -> None:
        with log_fields(session=f"{job.uid}/{job.sid}", job=job.job):
            try:
                found = await self._ask(job, kind, request)
            except asyncio.CancelledError:
                stopped = PawfectError(ErrorKind.CANCELLED, "labels: the API was stopped")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_FAREWELL_S):
                        await self._record(job, stopped)
                raise
            except Exception as error:  # noqa: BLE001 - logged there
                found = bare_failure(error, "labels")
            await self._record(job, found)

    async def _ask(
        self, job: JobMessage, kind: Kind, request: JobRequest
    ) -> SceneLabels | PawfectError:
        """Return the labels; PawfectError for whatever is in their way."""
        with span(_MODEL, SpanKind.CLIENT, attributes=job.span_attributes()):
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    async with self._room:
                        # A photo is decoded and copied into a message: some 40 ms of this process.
                        if self._give_way:
                            await self._give_way(_GIVE_WAY_S)
                        return await self._labels(job, kind, request)
            except TimeoutError:
                expected = f"labels: expected an answer within {_PATIENCE_S:g} s, got none"
                raise PawfectError(ErrorKind.DEADLINE, expected) from None

    async def _labels(self, job: JobMessage, kind: Kind, request: JobRequest) -> SceneLabels:
        files = await self._services.read_inputs(job.uid, job.sid, kind, request)
        return await kind.find_labels(files, self._services.tools)

    async def _record(self, job: JobMessage, found: SceneLabels | PawfectError) -> None:
        """Write the outcome down; where the store is away, the label deadline takes its place."""
        sessions = self._services.sessions
        try:
            if isinstance(found, SceneLabels):
                await sessions.move(job.uid, job.sid, set_labels, job=job.job, labels=found)
                LOG.info("labels", extra={"labels": len(found.labels)})
            else:
                why = without_got(found.message)
                LOG.warning("no labels", extra={"kind": found.kind.name, "why": why})
                await sessions.move(job.uid, job.sid, set_labels_error, job=job.job, error=found)
        except Exception:
            LOG.exception("labels could not be written")
