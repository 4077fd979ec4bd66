"""What stands before each app: a bound on bodies, and every request as a span and a line."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Final

from opentelemetry.trace import SpanKind, Status, StatusCode
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pawfect.contract.errors import ErrorKind
from pawfect_service.http.failures import ApiError
from pawfect_service.telemetry.metrics import count_request
from pawfect_service.telemetry.traces import context_of, span

LOG: Final = logging.getLogger("pawfect.http")

_TOO_LARGE: Final = 413
# How long, and at most as much again as is allowed, is read of a body that is not wanted, s.
_DISCARD_S: Final = 5.0
# Whoever has the signed token in such a path may read: no log has it.
_LINKS: Final = "/v1/audits/"
# Server-sent events.
_STREAM: Final = "text/event-stream"
# Asked every few seconds by a balancer: no spans, no lines.
_WATCHED: Final = frozenset({"/healthz", "/readyz"})


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


class AsItSays:
    """Has browsers take each answer for what its Content-Type says, and nothing else.

    Args:
        app: what it stands before.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).setdefault("X-Content-Type-Options", "nosniff")
            await send(message)

        await self._app(scope, receive, marked)


class HttpLog:
    """Opens a span around each request, below the caller's own, and logs how it ended.

    Args:
        app: what it stands before.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] not in ("http", "websocket") or scope["path"] in _WATCHED:
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        status, streams = 0, scope["type"] == "websocket"

        async def noted(message: Message) -> None:
            nonlocal status, streams
            if message["type"].endswith("http.response.start"):
                status = message["status"]
                streams = streams or _is_stream(message)
            elif message["type"] == "websocket.accept":
                status = 101
            await send(message)

        method = scope.get("method", "WEBSOCKET")
        headers = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in (b"traceparent", b"tracestate")
        }
        with span(f"{method}", SpanKind.SERVER, context_of(headers)) as opened:
            try:
                await self._app(scope, receive, noted)
            finally:
                route = getattr(scope.get("route"), "path", None)
                opened.update_name(f"{method} {route or 'unknown'}")
                opened.set_attribute("http.request.method", method)
                opened.set_attribute("http.response.status_code", status)
                if status >= 500:
                    opened.set_status(Status(StatusCode.ERROR))
                spent_s = time.monotonic() - began
                count_request(method, route, status, None if streams else spent_s)
                spent_ms = round(spent_s * 1000, 1)
                named = scope.get("path_params", {})
                path = f"{_LINKS}..." if scope["path"].startswith(_LINKS) else scope["path"]
                fields = {"method": method, "path": path, "status": status, "ms": spent_ms}
                if "uid" in named and "sid" in named:
                    fields["session"] = f"{named['uid']}/{named['sid']}"
                LOG.info("request", extra=fields)


def _is_stream(start: Message) -> bool:
    """Say whether an answer goes on for as long as its reader likes."""
    kind = MutableHeaders(scope=start).get("content-type", "")
    return kind.startswith(_STREAM)
