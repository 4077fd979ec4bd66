"""A job's files as answers."""

from __future__ import annotations

import hashlib
import mimetypes
from typing import Any, Final

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from pawfect.contract.errors import ErrorKind
from pawfect_service.api.state import job_files
from pawfect_service.http.failures import FAILURES, ApiError
from pawfect_service.jobs.contract import Status
from pawfect_service.jobs.document import SessionDocument
from pawfect_service.jobs.paths import session_path
from pawfect_service.services import Services
from pawfect_service.stores.base import OpenedFile

# Whatever a file holds, no browser takes it for anything but a picture of this site's own.
FILE_HEADERS: Final = {
    "Cache-Control": "private, no-cache",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# For the OpenAPI page.
FILE_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    **FAILURES,
    200: {"content": {"image/jpeg": {}, "image/png": {}}, "description": "The file"},
}


async def job_file(
    request: Request,
    services: Services,
    where: tuple[str, str],
    session: SessionDocument,
    name: str,
) -> Response:
    """Return one of a job's own files, or 304 where the client has it as it is.

    Args:
        request: with the tag that the client knows.
        services: the store.
        where: uid and sid of the session.
        session: the session.
        name: of the file.

    Raises:
        PawfectError: ApiError 404 for a file that is not there, or is not the job's.
    """
    missing = ApiError(404, ErrorKind.INVALID_ARG, "file: expected one of the session's, got none")
    if name not in job_files(session).values():
        raise missing
    tag = _lasting_tag(session, name)
    if tag is not None and request.headers.get("if-none-match") == tag:
        return _unchanged(tag)
    files, path = services.stores.files, session_path(*where, name)
    try:
        if tag is not None:
            return _streamed(await files.open(path), name, tag)
        data = await files.get(path)
    except FileNotFoundError:
        raise missing from None
    return file_answer(request, data, name)


def _streamed(opened: OpenedFile, name: str, tag: str) -> Response:
    """Return a file's content piece by piece: a picture without loss has up to 330 MB."""
    headers = {**FILE_HEADERS, "ETag": tag, "Content-Length": str(opened.size)}
    kind = mimetypes.guess_type(name)[0]
    return StreamingResponse(opened.pieces, headers=headers, media_type=kind)


def _lasting_tag(session: SessionDocument, name: str) -> str | None:
    """Return the tag of a file that never changes: one of a run's version that is completed."""
    if session.live is None or session.processing_status is not Status.COMPLETED:
        return None
    return f'"{session.job}-{name}"'


def _unchanged(tag: str) -> Response:
    return Response(status_code=304, headers={**FILE_HEADERS, "ETag": tag})


def file_answer(request: Request, data: bytes, name: str) -> Response:
    """Return a file's content, or 304 where the client has it as it is.

    Args:
        request: with the tag that the client knows.
        data: the content.
        name: of the file, which says its type.
    """
    # Of the content: a job's files come a moment after its document.
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    if request.headers.get("if-none-match") == tag:
        return _unchanged(tag)
    headers = {**FILE_HEADERS, "ETag": tag}
    return Response(data, headers=headers, media_type=mimetypes.guess_type(name)[0])
