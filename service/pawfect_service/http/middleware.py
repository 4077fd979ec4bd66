"""What stands before each app: bounds on bodies and connections, every request told in a line."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from typing import Final

from fastapi.telemetry import TelemetryConfig
from opentelemetry.trace import SpanKind, Status, StatusCode
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pawfect.contract.errors import ErrorKind
from pawfect_service.http.failures import ApiError, answer_to
from pawfect_service.jobs.paths import is_id
from pawfect_service.telemetry.metrics import count_request, known_method
from pawfect_service.telemetry.traces import context_of, span

LOG: Final = logging.getLogger("pawfect.http")

# FastAPI's own spans and records have whole paths, queries and messages of exceptions: `HttpLog`
# tells what is to be told.
UNTOLD: Final[TelemetryConfig] = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "auto_configure": False,
}

_TOO_LARGE: Final = 413
# Bodies that are held at a time, in the longest ones: each is in memory or in a file.
_LONGEST_AT_ONCE: Final = 8
# How long, and at most as much again as is allowed, is read of a body that is not wanted, s.
_DISCARD_S: Final = 5.0
# Parts of a path that are ids; the others are texts of a request, or the signed token of a link.
_IDS: Final = ("uid", "sid", "run_id")
# Server-sent events.
_STREAM: Final = "text/event-stream"
# From so many connections of a process on, requests are refused: room for the probes is left below
# `connections.MOST_CONNECTIONS`.
CROWDED: Final = 900
# Asked every few seconds by a balancer: no spans, no lines, and never refused for others' sake: it
# would end a process that is well.
_WATCHED: Final = frozenset({"/healthz", "/readyz"})


class BodyLimit:
    """Stops reading a body that is longer than allowed; the request then fails with 413.

    A body for which there is no room beside the others fails with 429.

    Args:
        app: what it stands before.
        at_most: longest body, bytes.
    """

    def __init__(self, app: ASGIApp, at_most: int) -> None:
        self._app = app
        self._at_most = at_most
        # Of all requests, bytes.
        self._held = 0

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
            came = len(message.get("body", b""))
            counted += came
            self._held += came
            if counted > self._at_most:
                await self._discard(receive)
                raise self._too_large("more")
            if self._held > self._at_most * _LONGEST_AT_ONCE:
                await self._discard(receive)
                raise self._no_room()
            return message

        try:
            await self._app(scope, limited, send)
        finally:
            self._held -= counted

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

    def _no_room(self) -> ApiError:
        expected = f"body: expected at most {_LONGEST_AT_ONCE} of the longest at a time, got more"
        headers = {"Connection": "close"}
        return ApiError(429, ErrorKind.QUEUE_FULL, expected, headers)

    def _too_large(self, got: str) -> ApiError:
        expected = f"body: expected at most {self._at_most} bytes, got {got}"
        # What is still on its way then is not read: the connection ends.
        return ApiError(_TOO_LARGE, ErrorKind.INVALID_ARG, expected, {"Connection": "close"})


class Crowded:
    """Refuses requests with 503 while a process has `CROWDED` connections, but for the probes'.

    Args:
        app: what it stands before.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        there = len(scope.get("state", {}).get("connections", ()))
        if scope["type"] == "lifespan" or there < CROWDED or scope["path"] in _WATCHED:
            await self._app(scope, receive, send)
            return
        message = f"connections: expected fewer than {CROWDED} of all callers, got more"
        # The refused one makes room.
        headers = {"Connection": "close"}
        error = ApiError(503, ErrorKind.QUEUE_FULL, message, headers)
        await answer_to(error)(scope, receive, send)


class AsItSays:
    """Has browsers take each answer for what its Content-Type says, and keep it for nobody else.

    Args:
        app: what it stands before.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""

        async def marked(message: Message) -> None:
            # A WebSocket that is refused has an answer too.
            if message["type"].endswith("http.response.start"):
                headers = MutableHeaders(scope=message)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                # By a key or a cookie, which no cache on the way knows of.
                headers.setdefault("Cache-Control", "no-store")
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

        method = known_method(scope.get("method", "WEBSOCKET"))
        headers = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in (b"traceparent", b"tracestate")
        }
        with span(method, SpanKind.SERVER, context_of(headers)) as opened:
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
                path = _path_of(route, named)
                fields = {"method": method, "path": path, "status": status, "ms": spent_ms}
                if all(is_id(named.get(name, "")) for name in ("uid", "sid")):
                    fields["session"] = f"{named['uid']}/{named['sid']}"
                LOG.info("request", extra=fields)


def _path_of(route: str | None, named: Mapping[str, object]) -> str:
    """Return a request's path as the log has it: its route, with the ids that are well formed."""
    path = route or "unknown"
    for name in _IDS:
        value = str(named.get(name, ""))
        if is_id(value):
            path = path.replace(f"{{{name}}}", value)
    return path


def _is_stream(start: Message) -> bool:
    """Say whether an answer goes on for as long as its reader likes."""
    kind = MutableHeaders(scope=start).get("content-type", "")
    return kind.startswith(_STREAM)
