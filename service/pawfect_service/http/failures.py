"""Errors as JSON: every failure of the API has a kind of the one table, a status and a message."""

from __future__ import annotations

import http
import logging
from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from pawfect.contract.errors import ErrorKind, PawfectError

LOG: Final = logging.getLogger("pawfect.api")


class ErrorBody(BaseModel):
    """What went wrong."""

    kind: str = Field(description="The row of the table of errors.", examples=["INVALID_ARG"])
    message: str = Field(
        description="What was expected and what came.",
        examples=["mask: expected the photo's size 1024x768, got 640x480"],
    )


class ErrorAnswer(BaseModel):
    """The body of every answer that is no success."""

    model_config = ConfigDict(title="Error")

    error: ErrorBody


class ApiError(PawfectError):
    """A failure for which HTTP has a status of its own, more exact than the table's.

    Args:
        status: the HTTP status.
        kind: the row of the table.
        message: what was expected and what came.
        headers: of the answer.
    """

    def __init__(
        self,
        status: int,
        kind: ErrorKind,
        message: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(kind, message)
        self.status = status
        self.headers = headers


def answer_to(error: PawfectError) -> JSONResponse:
    """Return the answer that tells of an error: its own status or the table's, and what it says."""
    own = error if isinstance(error, ApiError) else None
    headers = dict(own.headers or {}) if own else {}
    if error.row.retry:
        headers.setdefault("Retry-After", "1")
    body = {"error": {"kind": error.kind.name, "message": error.message}}
    return JSONResponse(body, own.status if own else error.row.http_status, headers)


def not_found(sid: str) -> ApiError:
    """Return the error of a session that is not there."""
    return ApiError(404, ErrorKind.INVALID_ARG, f"session {sid}: expected one, got none")


def add_handlers(app: FastAPI) -> None:
    """Have every failure of the app answered as `ErrorAnswer` says."""

    async def ours(connection: HTTPConnection, error: Exception) -> Response:
        assert isinstance(error, PawfectError)
        answer = answer_to(error)
        # A WebSocket that is not open yet is refused as any other request is.
        if isinstance(connection, WebSocket):
            await connection.send_denial_response(answer)
        return answer

    async def http_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        known = {404: "path: expected one of this API's", 405: "method: expected another one here"}
        message = known.get(error.status_code, str(error.detail))
        headers = error.headers
        return answer_to(ApiError(error.status_code, _kind_of(error.status_code), message, headers))

    async def unread(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        return answer_to(PawfectError(ErrorKind.INVALID_ARG, f"{name}: {first['msg']}"))

    async def defect(request: Request, error: Exception) -> JSONResponse:
        # The server's own log has it with its place: uvicorn raises it once more.
        return answer_to(PawfectError(ErrorKind.INTERNAL, f"API: {type(error).__name__}"))

    app.add_exception_handler(PawfectError, ours)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, unread)
    app.add_exception_handler(Exception, defect)


def _kind_of(status: int) -> ErrorKind:
    if status == http.HTTPStatus.TOO_MANY_REQUESTS:
        return ErrorKind.QUEUE_FULL
    return ErrorKind.INVALID_ARG if status < 500 else ErrorKind.INTERNAL


# For the OpenAPI page: statuses that routes share.
FAILURES: Final[dict[int | str, dict[str, Any]]] = {
    400: {"model": ErrorAnswer, "description": "The request itself is wrong"},
    401: {"model": ErrorAnswer, "description": "No valid API key or ID token"},
    403: {"model": ErrorAnswer, "description": "Of another user"},
    404: {"model": ErrorAnswer, "description": "No such session or file"},
    429: {
        "model": ErrorAnswer,
        "description": "Too many requests, or a quota is used up; see Retry-After",
    },
    503: {"model": ErrorAnswer, "description": "Something behind the API is away; send it again"},
}
