"""The routes by which a run's job is followed: a WebSocket, server-sent events, and previews."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response, WebSocket
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.requests import HTTPConnection

from pawfect.contract.errors import invalid
from pawfect_service.api.context import ApiContext, let_in
from pawfect_service.api.files import FILE_RESPONSES, file_answer
from pawfect_service.api.routes import CREDENTIALS
from pawfect_service.api.runs.following import JOBS, follow
from pawfect_service.api.runs.routes import RUN_FAILURES
from pawfect_service.api.runs.run import job_of, run_not_found
from pawfect_service.api.sockets import send_all
from pawfect_service.jobs.document import SessionDocument
from pawfect_service.jobs.paths import RunId, parse_job_id, preview_path

router: Final = APIRouter(tags=["runs"])
# A number that no document reaches.
_MOST: Final = 2**53


@dataclass(frozen=True)
class JobAddress:
    """A run's job that the caller may follow.

    Attributes:
        run: which.
        version: that it makes.
        session: the job as it stands.
        context: what the routes share.
    """

    run: RunId
    version: int
    session: SessionDocument
    context: ApiContext


async def admitted_job(
    connection: HTTPConnection,
    job_id: Annotated[str, Path(description="The job, as the run's version has it.")],
) -> JobAddress:
    """Return the address of a job that the caller may follow; ApiError 401, 403, 404 or 429."""
    context, caller = await let_in(connection)
    found = parse_job_id(job_id)
    if found is None:
        raise run_not_found(f"job {job_id}")
    run, version = found
    caller.check(run.uid)
    session = await job_of(context.services.sessions, run, version)
    return JobAddress(run, version, session, context)


AdmittedJob = Annotated[JobAddress, Depends(admitted_job)]


async def one_stream(address: AdmittedJob) -> AsyncIterator[None]:
    """Have a stream of the run's owner open; QUEUE_FULL where it is one too many."""
    with address.context.streams.one(address.run.uid):
        yield


After = Annotated[
    int, Query(ge=0, le=_MOST, description="The `seq` of the last message that is known.")
]


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:17]) <= _MOST):
        raise invalid("Last-Event-ID", "the seq of a message", repr(text[:20]))
    return int(text)


def place_in_stream(
    after: After = 0,
    last_event_id: Annotated[
        str | None, Header(description="What a browser sends by itself when it comes again.")
    ] = None,
) -> int:
    """Return the number of the last message that a client has; INVALID_ARG for no number."""
    return after if last_event_id is None else max(after, _number(last_event_id))


@router.websocket("/api/v1/ws/{job_id}", dependencies=[Depends(one_stream)])
async def socket_events(socket: WebSocket, address: AdmittedJob, after: After = 0) -> None:
    """Send what the job tells as JSON, and close behind its end."""
    sessions = address.context.services.sessions
    await send_all(socket, follow(sessions, address.run, address.version, after))


@router.get(
    f"{JOBS}/{{job_id}}/events",
    summary="What a job tells, as server-sent events",
    dependencies=[*CREDENTIALS, Depends(one_stream)],
    response_class=EventSourceResponse,
    responses=RUN_FAILURES,
)
async def sent_events(
    address: AdmittedJob, after: Annotated[int, Depends(place_in_stream)]
) -> AsyncGenerator[ServerSentEvent]:
    """Send states, log lines, previews and the end of the job that makes a version.

    Each message has a number, `seq`, higher than those before it: whoever was cut off asks again
    with the last one that it has, as `after` or `Last-Event-ID`. The same messages come by the
    WebSocket `/api/v1/ws/{job_id}?after=SEQ`:

    `state`: `status`, `progress` (`stage` and `share`, 0 to 1), `waitingBefore` (jobs that wait
    before it), `at`; `log`: `at`, `line`; `preview`: `url` of a small JPEG of what is made so far,
    until the end; `candidate`, of a search: `candidate` with its scores, `start` (which of the
    job's starts made it: another start begins anew) and `sheet` (how the preview shows all of them,
    a cell each by `number`, row by row); `end`: `status`, `version`, `report`, `error`. The last
    200 lines of a job are kept. It is told at most twice a second.
    """
    sessions = address.context.services.sessions
    async with aclosing(follow(sessions, address.run, address.version, after)) as messages:
        async for message in messages:
            yield ServerSentEvent(event=message["type"], id=str(message["seq"]), data=message)


@router.get(
    f"{JOBS}/{{job_id}}/preview.jpg",
    summary="What a job has made so far",
    dependencies=CREDENTIALS,
    response_class=Response,
    responses=FILE_RESPONSES,
)
async def job_preview(address: AdmittedJob, request: Request) -> Response:
    """Return the newest preview, a JPEG of at most 512 px; 404 before the first, and at the end."""
    run, session = address.run, address.session
    missing = run_not_found(f"{run}, preview of version {address.version}")
    if session.final or session.live is None or session.live.preview is None:
        raise missing
    where = run.uid, run.sid(address.version), session.job, session.counts.starts
    try:
        data = await address.context.services.stores.files.get(preview_path(*where))
    except FileNotFoundError:
        raise missing from None
    return file_answer(request, data, "preview.jpg")
