"""HTTP under bounds for the moondream client, which sets none.

Its client calls `urllib.request.urlopen` without a time limit, follows redirections with the key in
the header, reads any size, and cannot be stopped. `client_module` gives that one module a `urllib`
of its own, which has these bounds within `Exchange.run`; nobody else's changes.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import http.client
import importlib
import io
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from email.message import Message
from functools import cache, partial
from types import SimpleNamespace
from typing import IO, Any, Final, TypeVar

from pawfect.remote.settings import is_here

MODULE: Final = "moondream.cloud_vl"
# Name of the threads in which its client works.
THREAD: Final = "moondream-exchange"
# Most bytes of an answer: one has a few hundred.
MOST_BYTES: Final = 1_048_576
# Of one that explains an error.
_MOST_WHY: Final = 8192

T = TypeVar("T")
_current = threading.local()


class StatusError(Exception):
    """An answer with another status than 200.

    Args:
        status: of HTTP.
        body: its first bytes.
        retry_after: the header of that name.
    """

    def __init__(self, status: int, body: bytes, retry_after: str | None) -> None:
        super().__init__(f"status {status}")
        self.status, self.body, self.retry_after = status, body, retry_after


class TooLargeError(Exception):
    """An answer of more than MOST_BYTES."""


def client_module() -> Any:
    """Import the client's module, with its `urllib` under our bounds."""
    module = importlib.import_module(MODULE)
    request = SimpleNamespace(Request=urllib.request.Request, urlopen=_urlopen)
    module.urllib = SimpleNamespace(request=request)  # type: ignore[attr-defined]
    return module


def _urlopen(request: urllib.request.Request) -> IO[bytes]:
    """Open within the exchange of this thread; outside of one as urllib does."""
    exchange: Exchange | None = getattr(_current, "exchange", None)
    if exchange is None:
        opened: IO[bytes] = urllib.request.urlopen(request)
        return opened
    return exchange.open(request)


class Exchange:
    """One request of the client in a thread of its own.

    Args:
        url: of the judge: one of this machine is asked past any proxy.
        limit_s: longest wait for a connection and for each part of the answer, s.
    """

    def __init__(self, url: str, limit_s: float) -> None:
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._closed = False
        proxies = urllib.request.ProxyHandler({} if is_here(url) else None)
        secure = url.startswith("https:")
        connections = _Https(self.keep) if secure else _Http(self.keep)
        handlers = (connections, _NoRedirects(), proxies)
        self._opener = urllib.request.build_opener(*handlers)

    async def run(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, done in a daemon thread.

        Cancelled, the connection is closed, and the thread, which then ends, is not waited for.
        """
        done: concurrent.futures.Future[T] = concurrent.futures.Future()
        given = (work, done)
        threading.Thread(target=self._work, name=THREAD, args=given, daemon=True).start()
        try:
            return await asyncio.wrap_future(done)
        finally:
            self.close()

    def _work(self, work: Callable[[], T], done: concurrent.futures.Future[T]) -> None:
        if not done.set_running_or_notify_cancel():
            return
        _current.exchange = self
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised in the waiting task
            done.set_exception(error)

    def open(self, request: urllib.request.Request) -> IO[bytes]:
        """Return the whole answer.

        Raises:
            StatusError: another status than 200, redirections among them.
            TooLargeError: it is too large.
            OSError: no connection, a broken one, or none of the time.
        """
        try:
            with self._opener.open(request, timeout=self._limit_s) as response:
                body: bytes = response.read(MOST_BYTES + 1)
                lacking = bool(response.length)
        except urllib.error.HTTPError as error:
            with error:
                why = error.read(_MOST_WHY)
            raise StatusError(error.code, why, error.headers.get("Retry-After")) from None
        if len(body) > MOST_BYTES:
            raise TooLargeError
        if lacking:
            raise OSError("cut off")
        return io.BytesIO(body)

    def keep(self, connected: socket.socket) -> None:
        """Take the socket that `close` shuts; OSError where that was asked for already."""
        with self._lock:
            self._socket = connected
            if self._closed:
                _shut(connected)
                raise OSError("closed")

    def close(self) -> None:
        """Shut the connection: whatever waits for it fails at once."""
        with self._lock:
            self._closed = True
            if self._socket is not None:
                _shut(self._socket)


def _shut(connected: socket.socket) -> None:
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


Keep = Callable[[socket.socket], None]


class _Connection(http.client.HTTPConnection):
    def __init__(self, host: str, *, keep: Keep, **given: Any) -> None:
        super().__init__(host, **given)
        self._keep = keep

    def connect(self) -> None:
        super().connect()
        self._keep(self.sock)


class _SecureConnection(_Connection, http.client.HTTPSConnection):
    """The same over TLS: `connect` above ends the handshake before the socket is kept."""


@cache
def _tls() -> ssl.SSLContext:
    """Return what certificates are checked by, which takes long to read."""
    return ssl.create_default_context()


class _Http(urllib.request.HTTPHandler):
    def __init__(self, keep: Keep) -> None:
        super().__init__()
        self._made: Any = partial(_Connection, keep=keep)

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Open by a connection that can be shut."""
        return self.do_open(self._made, request)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, keep: Keep) -> None:
        super().__init__()
        self._made: Any = partial(_SecureConnection, keep=keep, context=_tls())

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Open by a connection that can be shut."""
        return self.do_open(self._made, request)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> None:
        """Follow none: it would take pictures and key to where the operator did not say."""
