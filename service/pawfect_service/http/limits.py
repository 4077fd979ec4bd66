"""A bound on request bodies, held while they come in."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pawfect.contract.errors import ErrorKind
from pawfect_service.http.failures import ApiError

_TOO_LARGE: Final = 413
# How long, and at most as much again as is allowed, is read of a body that is not wanted, s.
_DISCARD_S: Final = 5.0


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
        length = dict(scope["headers"]).get(b"content-length", b"0")
        declared = int(length) if length.isdigit() else 0
        counted = 0

        async def limited() -> Message:
            nonlocal counted
            if declared > self._at_most:
                await self._discard(receive)
                raise self._too_large(str(declared))
            message = await receive()
            counted += len(message.get("body", b""))
            if counted > self._at_most:
                await self._discard(receive)
                raise self._too_large("more")
            return message

        await self._app(scope, limited, send)

    async def _discard(self, receive: Receive) -> None:
        """Read on for a moment: a client that is still sending would not see the answer."""
        discarded = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DISCARD_S):
                while discarded < self._at_most:
                    message = await receive()
                    discarded += len(message.get("body", b""))
                    if not message.get("more_body"):
                        return

    def _too_large(self, got: str) -> ApiError:
        expected = f"body: expected at most {self._at_most} bytes, got {got}"
        # What is still on its way then is not read: the connection ends.
        return ApiError(_TOO_LARGE, ErrorKind.INVALID_ARG, expected, {"Connection": "close"})
