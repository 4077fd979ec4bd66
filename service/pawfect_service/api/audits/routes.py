"""The routes of audits, for admins' keys; a report is for whoever has its link."""

from __future__ import annotations

import asyncio
import logging
import mimetypes
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_service.api.audits.audits import Audits
from pawfect_service.api.audits.folder import PICTURES
from pawfect_service.api.audits.order import AuditForm, AuditParams
from pawfect_service.api.audits.publishing import PICTURE_HOLDS_S, report_file, report_path
from pawfect_service.api.audits.state import AuditState
from pawfect_service.api.context import Address, Admitted, ApiContext, Existing
from pawfect_service.api.routes import CREDENTIALS
from pawfect_service.api.uploads import body_schema, read_order
from pawfect_service.http.failures import FAILURES, ApiError, ErrorAnswer

LOG: Final = logging.getLogger("pawfect.audits")

_FORM: Final = AuditForm()
_EXAMPLE: Final = {
    "parameters": {"matrix": "t4", "prompts": {"one": "grass", "two": "grass with leaves"}},
    "truth": "users/u-4711/sessions/D1A406F5/truth.jpg",
}
# The page has its style and script in itself; pictures come from here, or from the bucket. The
# link is the key, so nobody else hears of it. Its script runs as on a site of its own, without the
# sign-in to this one.
_REPORT_HEADERS: Final = {
    "Cache-Control": "private, no-cache",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; img-src 'self' https://storage.googleapis.com; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'; sandbox allow-scripts",
}
_FAILURES: Final = {
    **FAILURES,
    403: {"model": ErrorAnswer, "description": "No admin's key, or of another user"},
    404: {"model": ErrorAnswer, "description": "No such session, or no audit of it"},
}
router: Final = APIRouter(tags=["audits"])


async def administered(address: Admitted) -> Address:
    """Return the address of a session that an admin may touch; ApiError 403 for others."""
    address.caller.check_admin()
    return address


Administered = Annotated[Address, Depends(administered)]


def _audits(request: Request) -> Audits:
    audits: Audits = request.app.state.audits
    return audits


_HERE: Final = "/v1/users/{uid}/sessions/{sid}/audit"


@router.post(
    _HERE,
    status_code=202,
    summary="Audit the session, or go on with it",
    response_model=AuditState,
    dependencies=CREDENTIALS,
    openapi_extra=body_schema(
        _FORM, (AuditParams.__doc__ or "").partition("Attributes:")[2], _EXAMPLE
    ),
    responses={
        **_FAILURES,
        409: {"model": ErrorAnswer, "description": "An audit is under way on this machine"},
    },
)
async def start_audit(address: Administered, session: Existing, request: Request) -> JSONResponse:
    """Try a matrix of settings on the session's photo, through a server of the audit's own.

    It runs as `pawfect audit` on the API's machine, beside whatever runs there: on a card that has
    room for one server, stop the other first. One audit at a time. Each setting gives a picture,
    its time, its memory and its scores; what has run does not run again, also after a cancel or a
    crash. Every start says all anew: the matrix, its texts, and the truth, the photo without what
    is to vanish, as a file or a path in storage.
    """
    context = address.context
    stores, contract = context.services.stores, context.services.sessions.contract
    writing = await context.enqueuer.begin(address.uid)
    order = await read_order(request, _FORM, address.uid, stores.files, contract)
    state = await _audits(request).start(address.uid, address.sid, session, order)
    try:
        await writing.check(address.sid)
    except ApiError:
        # Deleted meanwhile, with all that was there then.
        await _audits(request).remove(address.uid, address.sid)
        raise
    return JSONResponse(state.model_dump(by_alias=True), 202, {"Location": request.url.path})


@router.get(_HERE, summary="How far it is", dependencies=CREDENTIALS, responses=_FAILURES)
async def get_audit(address: Administered, request: Request) -> AuditState:
    """Return the session's audit; once it is completed, with a link to its report."""
    return await _audits(request).state(address.uid, address.sid)


@router.delete(_HERE, summary="Cancel it", dependencies=CREDENTIALS, responses=_FAILURES)
async def cancel_audit(address: Administered, request: Request) -> AuditState:
    """End the session's audit and its server, and return it; what has run stays.

    One that is over stays as it is: see `status`.
    """
    return await _audits(request).cancel(address.uid, address.sid)


@router.get(
    "/v1/audits/{token}/{name:path}",
    summary="A report, by its link",
    response_class=Response,
    responses={
        200: {"content": {"text/html": {}, "image/jpeg": {}}, "description": "The file"},
        307: {"description": "A picture that lies in the bucket: its signed URL"},
        403: {"model": ErrorAnswer, "description": "The link has ended, or is not of this API"},
        404: {"model": ErrorAnswer, "description": "The report has no such file"},
        429: FAILURES[429],
    },
)
async def report(token: str, name: str, request: Request) -> Response:
    """Return audit.html, or one of its pictures, to anybody who has the link."""
    audits, context = _audits(request), request.app.state.context
    try:
        uid, sid = audits.links.read(token)
    except ApiError:
        await context.check_guess(request)
        raise
    folder = audits.folder(uid, sid)
    path = report_file(folder, name)
    if path is None:
        raise _no_file()
    if name.startswith(PICTURES) and (url := await _stored(context, audits, uid, sid, name)):
        return RedirectResponse(url, 307, _REPORT_HEADERS)
    try:
        data = await asyncio.to_thread(path.read_bytes)
    except FileNotFoundError:
        raise _no_file() from None
    except OSError as error:
        raise PawfectError(ErrorKind.UNAVAILABLE, f"audits: {error.strerror}") from error
    return Response(data, headers=_REPORT_HEADERS, media_type=mimetypes.guess_type(name)[0])


def _no_file() -> ApiError:
    return ApiError(404, ErrorKind.INVALID_ARG, "file: expected one of the report's, got none")


async def _stored(context: ApiContext, audits: Audits, uid: str, sid: str, name: str) -> str | None:
    """Return a picture's URL in storage; None where it is not there, or this gives none now."""
    note = await asyncio.to_thread(audits.folder(uid, sid).read_note)
    if note is None or not note.published:
        return None
    try:
        path = report_path(uid, sid, name)
        return await context.services.stores.files.link(path, PICTURE_HOLDS_S)
    except PawfectError:
        LOG.warning("a picture's link could not be signed; the API serves it", exc_info=True)
        return None
