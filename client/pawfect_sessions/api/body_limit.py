"""A bound on request bodies, held while they come in."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pawfect.errors import ErrorKind
from pawfect_sessions.api.failures import ApiError

_TOO_LARGE: Final = 413


class BodyLimit:
    """Stops reading a body that is longer than allowed; the request then fails with 413.

    Args:
        app: what it stands before.
        at_most: longest body, bytes.
    """

    def __init__(self, app: ASGIApp, at_most: int) -> None:
        self._app = app
        self._at_most = at_most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        received = int(declared) if declared.isdigit() else 0
        counted = 0

        async def limited() -> Message:
            nonlocal counted
            if received > self._at_most:
                raise self._too_large(str(received))
            message = await receive()
            counted += len(message.get("body", b""))
            if counted > self._at_most:
                raise self._too_large("more")
            return message

        await self._app(scope, limited, send)

    def _too_large(self, got: str) -> ApiError:
        expected = f"body: expected at most {self._at_most} bytes, got {got}"
        # What is still on its way is not read: the connection ends.
        return ApiError(_TOO_LARGE, ErrorKind.INVALID_ARG, expected, {"Connection": "close"})
