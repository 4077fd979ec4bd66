"""The session's routes: queue, look, cancel, fetch files, and follow the progress."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from fastapi import APIRouter, Depends, Request, Response, WebSocket
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyCookie, APIKeyHeader, HTTPBearer
from fastapi.sse import EventSourceResponse, ServerSentEvent

from pawfect.contract.parameters import InpaintParams
from pawfect_service.api.context import Address, Admitted, Existing, one_stream
from pawfect_service.api.files import FILE_RESPONSES, job_file
from pawfect_service.api.openapi import links
from pawfect_service.api.sockets import send_all
from pawfect_service.api.state import SessionState, changes, state_of
from pawfect_service.api.uploads import body_schema, read_order
from pawfect_service.http.callers import KEY_HEADER
from pawfect_service.http.failures import FAILURES, ErrorAnswer, not_found
from pawfect_service.http.sign_in import COOKIE
from pawfect_service.jobs.kinds import INPAINT
from pawfect_service.jobs.moves import cancel

# Named for the OpenAPI page; `context.admitted` does the checking.
CREDENTIALS: Final = [
    Depends(APIKeyHeader(name=KEY_HEADER, auto_error=False, scheme_name="API key")),
    Depends(HTTPBearer(auto_error=False, scheme_name="Google ID token")),
    Depends(APIKeyCookie(name=COOKIE, auto_error=False, scheme_name="Sign-in of the page")),
]
router: Final = APIRouter(prefix="/v1/users/{uid}/sessions/{sid}", tags=["sessions"])

_EXAMPLE: Final = {
    "photo": "users/u-4711/sessions/D1A406F5/original.jpg",
    "mask": "users/u-4711/sessions/D1A406F5/mask_auto.png",
    "parameters": {"seed": 7, "engine": "auto", "deadline_ms": 30000},
}


@router.post(
    "/inpaint",
    status_code=202,
    summary="Queue a job",
    response_model=SessionState,
    dependencies=CREDENTIALS,
    openapi_extra=body_schema(
        INPAINT, (InpaintParams.__doc__ or "").partition("Attributes:")[2], _EXAMPLE
    ),
    responses={
        202: {"links": links(uid="uid", sid="sid")},
        **FAILURES,
        408: {"model": ErrorAnswer, "description": "The body came too slowly"},
        409: {
            "model": ErrorAnswer,
            "description": "Another job of this session is under way, or the user is deleted",
        },
        413: {"model": ErrorAnswer, "description": "Too long, or more than the user may keep"},
    },
)
async def inpaint(address: Admitted, request: Request) -> JSONResponse:
    """Check a photo and a mask, store them and queue the job.

    `photo` is a JPEG, PNG, WebP, TIFF, AVIF, HEIC, BMP or GIF without transparent parts, sides
    64-16,384 px, at most 110 MP; `mask` (white = fill) and `protect` (white = never filled) are of
    its size. `parameters`, all optional, are a JSON object; `prompt` says what to fill with
    (`flux`, `klein`, `edit`), in at most 2,048 bytes. In place of a form with files, JSON names
    files in storage by their paths below `users/{uid}/`.

    `mask_is` names another kind of mask: `white`, `black`, `opaque`, `transparent`, `erased` (the
    photo itself with the object erased) or `auto`. Where nothing is said, of one colour with a
    transparent part the smaller side is the hole, and a mask that covers more than 95 % is refused.
    `invert_mask` and `fit_mask` (a mask of another size, but of the photo's shape) are `true` or
    `false`. The file `mask` of the session is the mask as it was understood.

    In place of `mask`, `remove` says in words what to remove: up to eight phrases with commas
    between them, such as `leash, hand`. What they find is the session's mask, and `note` says each
    with its score and area. Words that find nothing, or over 95 % of the photo, are refused with
    400 and named; it needs a server with SAM3, or the answer is 503. While eight such requests are
    under way the next one's is 429, and where the words' mask takes over 60 s it is 504.
    `least_score`, 0 to 1, says how sure to be of what is found (0.3).

    The same request while its job is pending or processing is that job; another one is refused.
    Once the job is completed, failed or cancelled, a request is a new job of the session.

    Formats and sizes are always checked here. Where more than two requests come at a time, broken
    pixels and a mask that is empty or full are found by the worker: the job then ends as failed,
    with the reason in `error`.
    """
    context = address.context
    stores, contract = context.services.stores, context.services.sessions.contract
    with context.enqueuer.counter.counted():
        writing = await context.enqueuer.begin(address.uid)
        order = await read_order(request, INPAINT, address.uid, stores.files, contract)
        order = await context.naming.with_mask(order)
        session = await context.enqueuer.enqueue(address.uid, address.sid, INPAINT, order, writing)
    state = state_of(address.uid, address.sid, session)
    here = request.url.path.removesuffix("/inpaint")
    return JSONResponse(state.model_dump(by_alias=True), 202, {"Location": here})


@router.get("", summary="A session and its job", dependencies=CREDENTIALS, responses=FAILURES)
async def session_state(address: Admitted, session: Existing) -> SessionState:
    """Return the session as it stands."""
    return state_of(address.uid, address.sid, session)


@router.delete("", summary="Cancel the job", dependencies=CREDENTIALS, responses=FAILURES)
async def cancel_job(address: Admitted) -> SessionState:
    """Cancel the session's job and return the session.

    A job that is over, or whose result is being published, stays as it is: see processingStatus.
    """
    sessions = address.context.services.sessions
    step = await sessions.move(address.uid, address.sid, cancel)
    if step.session is None:
        raise not_found(address.sid)
    return state_of(address.uid, address.sid, step.session)


@router.get(
    "/files/{name}",
    summary="One of the session's files",
    dependencies=CREDENTIALS,
    response_class=Response,
    responses=FILE_RESPONSES,
)
async def session_file(
    name: str, address: Admitted, session: Existing, request: Request
) -> Response:
    """Return original.jpg, mask_auto.png, protect.png, edited.jpg or preview.jpg.

    The last two are there once the job is completed.
    """
    where = address.uid, address.sid
    return await job_file(request, address.context.services, where, session, name)


def _states(address: Address) -> aclosing[AsyncGenerator[SessionState]]:
    """Return the session's states until its job is over, to be closed."""
    return aclosing(changes(address.context.services.sessions, address.uid, address.sid))


@router.get(
    "/events",
    summary="Progress as server-sent events",
    dependencies=[*CREDENTIALS, Depends(one_stream)],
    response_class=EventSourceResponse,
    responses=FAILURES,
)
async def events(address: Admitted, session: Existing) -> AsyncGenerator[ServerSentEvent]:
    """Send the session as an event `state`, at most twice a second, until its job is over."""
    async with _states(address) as states:
        async for state in states:
            yield ServerSentEvent(event="state", data=state.model_dump(by_alias=True))


@router.websocket("/ws", dependencies=[Depends(one_stream)])
async def progress(socket: WebSocket, address: Admitted, session: Existing) -> None:
    """Send the session as JSON, at most twice a second, and close once its job is over."""
    async with _states(address) as states:
        await send_all(socket, (state.model_dump(by_alias=True) async for state in states))
