"""What a connection may take: heads that are read strictly, and a time for all that a client does.

uvicorn reads heads by h11, which is lenient where two readers may differ, and waits for as long as
a client likes. A proxy before the API reads the same bytes: where RFC 9112 lets it read them in
another way, a request could be hidden in another's body (request smuggling).
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, Final

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from pawfect.contract.errors import ErrorKind

# Longest head of a request, bytes: twice what browsers and proxies send at most.
MAX_HEAD: Final = 32 * 1024
# From a connection's beginning, or the last answer's end, to the end of the next head, s.
HEAD_S: Final = 20.0
# From a head's end to the end of its body, s. Routes that read one say in words that it was too
# slow, after `pawfect_service.api.uploads.BODY_S`.
BODY_S: Final = 300.0
# A client that takes nothing of what it asked for in so long has left, s: under 1 KiB a second.
STALLED_S: Final = 60.0
# Connections of a process; the default bound on open files is 1,024, and the store has some too.
MOST_CONNECTIONS: Final = 950
# Longest message of a WebSocket's client, bytes: nothing that it says is listened to.
MAX_SAID: Final = 4096

_HEAD_ENDS: Final = re.compile(rb"\n\r?\n")
_BARE_LF: Final = re.compile(rb"(?<!\r)\n")
_FOLDED: Final = re.compile(rb"\n[ \t]")
_LENGTH: Final = re.compile(rb"\ncontent-length[ \t]*:", re.IGNORECASE)
_CODING: Final = re.compile(rb"\ntransfer-encoding[ \t]*:", re.IGNORECASE)
_OLD: Final = re.compile(rb"[^\n]* HTTP/1\.0\r?\n", re.IGNORECASE)


def check_head(received: bytes) -> None:
    """Refuse a head that others may read in another way, or that is too long.

    Args:
        received: what has come since the last request's end; the head may not be whole yet.

    Raises:
        h11.RemoteProtocolError: lines that end by LF alone, folded lines (RFC 9112, 2.2 and 5.2),
            both Content-Length and Transfer-Encoding or the latter in HTTP/1.0 (6.1), or more than
            `MAX_HEAD` bytes.
    """
    ends = _HEAD_ENDS.search(received)
    head = received[: ends.end()] if ends else received
    if len(head) > MAX_HEAD:
        raise h11.RemoteProtocolError("the head is too long", error_status_hint=431)
    if ends is None:
        return
    if _BARE_LF.search(head) or _FOLDED.search(head):
        raise h11.RemoteProtocolError("lines of another form")
    if _CODING.search(head) and (_LENGTH.search(head) or _OLD.match(head)):
        raise h11.RemoteProtocolError("two lengths of one body")


class _Strict(h11.Connection):
    """Reads heads strictly."""

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Return what comes next."""
        if self.their_state is h11.IDLE:
            check_head(self.trailing_data[0])
        return super().next_event()


class BoundedHttp(H11Protocol):
    """uvicorn's HTTP/1.1 with strict heads, and an end to what takes too long."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.conn = _Strict(h11.SERVER, MAX_HEAD)
        self._due: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head; where it is one connection too many, another one ends."""
        super().connection_made(transport)
        # Whoever counts them sees them in each request: `middleware.Crowded`.
        self.app_state = {**self.app_state, "connections": self.connections}
        if len(self.connections) > MOST_CONNECTIONS:
            self._make_room()
        self._give(HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._give(None)
        self.resume_writing()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Read on; a new request's body gets its time."""
        before = self.cycle
        super().handle_events()
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:
                self._give(None)
            elif cycle is not before:
                self._give(BODY_S)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Leave the connection to the WebSocket, which asks its client for signs of life."""
        self._give(None)
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """Wait for the next head, and for what is left of a body that nobody read."""
        # Before what is already here is read on: it may have the next request.
        self._give(HEAD_S)
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Give a client that takes nothing its time."""
        super().pause_writing()
        self._stalled = self.loop.call_later(STALLED_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the client takes what is sent."""
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, in the words of the table of errors."""
        message = "request: expected one of HTTP/1.1, whole and well formed, got another"
        error = {"kind": ErrorKind.INVALID_ARG.name, "message": message}
        body = json.dumps({"error": error}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"connection", b"close"),
        ]
        try:
            for event in (
                h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        except h11.LocalProtocolError:
            # An answer to its head is under way: there is no room for another.
            self.transport.abort()
        else:
            self.transport.close()

    def _make_room(self) -> None:
        """End the connection whose client's time is up soonest; this one where none has to send.

        So those who open connections and say nothing take them from each other, and a probe, which
        asks at once, is answered in the fullest house.
        """
        waiting = {
            each: each._due.when()
            for each in self.connections
            if isinstance(each, BoundedHttp) and each._due is not None
        }
        soonest = min(waiting, key=lambda each: waiting[each], default=self)
        # It counts until the loop has ended it: it must not be found once more.
        soonest._give(None)
        soonest.transport.abort()

    def _give(self, seconds: float | None) -> None:
        """End the connection after so long; None: let it be."""
        if self._due is not None:
            self._due.cancel()
        self._due = None if seconds is None else self.loop.call_later(seconds, self._late)

    def _late(self) -> None:
        # What is being sent is sent to its end; what comes is not read any more.
        self.transport.close()
