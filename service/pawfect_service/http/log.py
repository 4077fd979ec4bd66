"""Every request as a span and as a line of the log."""

from __future__ import annotations

import logging
import time
from typing import Final

from opentelemetry.trace import SpanKind, Status, StatusCode
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pawfect_service.telemetry.traces import context_of, span

LOG: Final = logging.getLogger("pawfect.http")

# Asked every few seconds by a balancer: no spans, no lines.
_WATCHED: Final = frozenset({"/healthz", "/readyz"})


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
        status = 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"].endswith("http.response.start"):
                status = message["status"]
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
                spent_ms = round((time.monotonic() - began) * 1000, 1)
                fields = {"method": method, "path": scope["path"], "status": status, "ms": spent_ms}
                named = scope.get("path_params", {})
                if "uid" in named and "sid" in named:
                    fields["session"] = f"{named['uid']}/{named['sid']}"
                LOG.info("request", extra=fields)
