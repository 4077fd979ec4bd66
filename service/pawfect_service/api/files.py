"""A job's files as answers."""

from __future__ import annotations

import hashlib
import mimetypes
from typing import Any, Final

from fastapi import Request, Response

from pawfect.contract.errors import ErrorKind
from pawfect_service.api.state import job_files
from pawfect_service.http.failures import FAILURES, ApiError
from pawfect_service.jobs.document import SessionDocument
from pawfect_service.jobs.paths import session_path
from pawfect_service.services import Services

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
    try:
        data = await services.stores.files.get(session_path(*where, name))
    except FileNotFoundError:
        raise missing from None
    return file_answer(request, data, name)


def file_answer(request: Request, data: bytes, name: str) -> Response:
    """Return a file's content, or 304 where the client has it as it is.

    Args:
        request: with the tag that the client knows.
        data: the content.
        name: of the file, which says its type.
    """
    # Of the content: a job's files come a moment after its document.
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    headers = {**FILE_HEADERS, "ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(data, headers=headers, media_type=mimetypes.guess_type(name)[0])
