"""From a session's files through Triton to the files of a result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from opentelemetry.trace import SpanKind

from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect.contract.report import Report
from pawfect_client.results import Done
from pawfect_service.jobs.contract import EDITED, MASK, ORIGINAL, PREVIEW, PROTECT
from pawfect_service.jobs.kinds.inpaint_request import JobRequest
from pawfect_service.jobs.kinds.pictures import (
    Task,
    digest_of,
    edited_jpeg,
    preview_jpeg,
    read_task,
    vanished,
)
from pawfect_service.process.traces import StageSpans, span
from pawfect_service.services import Services
from pawfect_service.worker.held_job import HeldJob

# Told how far the fill is: the stage that ended, and the share that is done.
Tell = Callable[[str, float], None]


async def fill(services: Services, job: HeldJob, tell: Tell) -> Report:
    """Fill a job's photo and upload the result under the names of this start.

    Args:
        services: store and server.
        job: whose lease is held.
        tell: told of each stage.

    Returns:
        How the result came about.

    Cancelling the task cancels the request on the server.

    Raises:
        PawfectError: INVALID_ARG for files that are gone, broken or others than were queued, and
            for a request that was edited into an impossible one; else as the server failed.
    """
    request = JobRequest.of_document(job.session.request)
    with span("read files"):
        task = await _read(services, job, request)
    done = await _filled(services, job, task, request, tell)
    with span("write files"):
        edited, preview = await asyncio.gather(
            services.off_loop(edited_jpeg, task.photo, done.image),
            services.off_loop(preview_jpeg, task.photo, done.image),
        )
        made = {job.attempt(EDITED): edited, job.attempt(PREVIEW): preview}
        await services.stores.files.put(made)
    return done.report


async def _read(services: Services, job: HeldJob, request: JobRequest) -> Task:
    names = [ORIGINAL, MASK, *([PROTECT] if request.protect else [])]
    found = await asyncio.gather(
        *(services.stores.files.get(job.path(name)) for name in names), return_exceptions=True
    )
    contents: list[bytes] = []
    for name, content in zip(names, found, strict=True):
        if isinstance(content, FileNotFoundError):
            raise vanished(name)
        if isinstance(content, BaseException):
            raise content
        contents.append(content)
    photo, mask, protect = contents[0], contents[1], contents[2] if request.protect else None
    digest = await services.off_loop(digest_of, photo, mask, protect)
    if request.digest not in (None, digest):
        raise invalid(", ".join(names), "the files that were queued", "others")
    return await services.off_loop(read_task, photo, mask, protect, request.prompt)


async def _filled(
    services: Services, job: HeldJob, task: Task, request: JobRequest, tell: Tell
) -> Done:
    labels = job.session.scene_labels
    # Nobody sees the previews: they are not sent.
    parameters = {**request.parameters, "preview_every": 0}
    with span("triton inpaint_stream", SpanKind.CLIENT, attributes=job.message.span_attributes()):
        stages = StageSpans()
        stream = services.triton.inpaint_stream(
            task.photo.pixels,
            task.mask,
            protect=task.protect,
            scene_labels=labels.labels if labels else (),
            prompt=request.prompt,
            **parameters,
        )
        try:
            async with aclosing(stream) as events:
                async for event in events:
                    if isinstance(event, Done):
                        stages.record(event.report.stage_ms)
                        return event
                    stages.ended(event.stage)
                    tell(event.stage, event.progress)
        except BaseException:
            stages.record_told()
            raise
    raise PawfectError(ErrorKind.INTERNAL, "stream: expected a result at its end, got none")
