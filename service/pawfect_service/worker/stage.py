"""From a job's inputs in storage, through the work of its kind, to its outputs in storage."""

from __future__ import annotations

import asyncio

from pawfect.contract.errors import invalid
from pawfect_service.jobs.kinds import Made, OnProgress, Task
from pawfect_service.jobs.request import JobRequest, digest_of, missing_file
from pawfect_service.services import Services
from pawfect_service.telemetry.traces import span
from pawfect_service.worker.lease import HeldJob


async def do_work(services: Services, job: HeldJob, on_progress: OnProgress) -> Made:
    """Do a job's work and upload what it gave under the names of this start.

    Args:
        services: store and server.
        job: whose lease is held.
        on_progress: called at the end of each stage.

    Raises:
        PawfectError: INVALID_ARG for files that are gone, broken or others than were queued, and
            for a request that was edited into an impossible one; else as the work failed.
    """
    kind, session = job.kind, job.session
    request = JobRequest.of_document(kind, session.request)
    with span("read files"):
        files = await _read(services, job, request)
    parameters = kind.parse(request.parameters, request.texts)
    task = Task(files, parameters, session.scene_labels, job.message.span_attributes())
    made = await kind.work(task, services.tools, on_progress)
    with span("write files"):
        outputs = {path: made.outputs[name] for name, path in job.attempts().items()}
        await services.stores.files.put(outputs)
    return made


async def _read(services: Services, job: HeldJob, request: JobRequest) -> dict[str, bytes]:
    names = request.files(job.kind)
    found = await asyncio.gather(
        *(services.stores.files.get(job.path(file)) for file in names.values()),
        return_exceptions=True,
    )
    contents: dict[str, bytes] = {}
    for (name, file), content in zip(names.items(), found, strict=True):
        if isinstance(content, FileNotFoundError):
            raise missing_file(file)
        if isinstance(content, BaseException):
            raise content
        contents[name] = content
    digest = await services.tools.off_loop(digest_of, job.kind, contents)
    if request.digest not in (None, digest):
        raise invalid(", ".join(names.values()), "the files that were queued", "others")
    return contents
