"""Pictures from URLs of a task file: bounded in size and time, from public addresses alone.

A name is resolved once, each of its addresses is checked, and the connection goes to one that was:
what the name says later does not matter. Each redirect is checked as the first URL is. No proxy is
asked, which would resolve names by itself.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect_client.search.addresses import addresses_of

MIB: Final = 2**20
# More than a phone's largest photo as JPEG or HEIC, and a PNG of 12 MP.
MOST_MIB: Final = 64
# 64 MiB at 10 Mbit/s.
MOST_SECONDS: Final = 60
MOST_REDIRECTS: Final = 5
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_BLOCK: Final = 2**16
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Bounds:
    """How a picture may be fetched.

    Attributes:
        most_bytes: largest picture.
        most_seconds: longest time for one, redirects included, s; looking names up takes what the
            system's resolver gives it.
        allow_private: whether other addresses than public ones may be asked.
    """

    most_bytes: int = MOST_MIB * MIB
    most_seconds: float = MOST_SECONDS
    allow_private: bool = False


@dataclass(frozen=True)
class _Place:
    """A checked URL."""

    secure: bool
    host: str
    port: int
    path: str

    @property
    def name(self) -> str:
        """The URL without what follows its path, which may be a key to it."""
        return f"http{'s' * self.secure}://{self.host}{self.path.partition('?')[0]}"


def fetch(url: str, bounds: Bounds) -> bytes:
    """Return the content of a URL.

    Raises:
        PawfectError: INVALID_ARG for another scheme, an address that is not public, more than five
            redirects, something larger, and an answer that says there is no such thing; UNAVAILABLE
            for a host that does not answer; DEADLINE for one that is too slow.
    """
    until = time.monotonic() + bounds.most_seconds
    for _ in range(MOST_REDIRECTS + 1):
        place = _place_of(url)
        with _answer(place, bounds, until) as answer:
            if answer.status not in _REDIRECTS:
                return _content(answer, place, bounds)
            target = answer.getheader("Location")
        if not target:
            raise invalid(place.name, "a redirect that says where to", "none")
        url = urljoin(url, target)
    raise invalid(_place_of(url).name, f"at most {MOST_REDIRECTS} redirects", "more")


def _place_of(url: str) -> _Place:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise invalid("URL", "a URL", error) from None
    if parts.scheme not in _PORTS:
        raise invalid("URL", "http:// or https://", f"{parts.scheme}:")
    if not host or parts.username is not None or parts.password is not None:
        raise invalid("URL", "a host, without a user's name or password", repr(parts.netloc))
    # What is escaped stays as it is.
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = f"?{quote(parts.query, safe='/%:@!$&()*+,;=~-._?')}" if parts.query else ""
    default = _PORTS[parts.scheme]
    return _Place(parts.scheme == "https", host, default if port is None else port, path + query)


@contextmanager
def _answer(place: _Place, bounds: Bounds, until: float) -> Iterator[http.client.HTTPResponse]:
    """Yield the answer; whatever hangs by the end of the time is cut off."""
    addresses = addresses_of(place.host, place.port, allow_private=bounds.allow_private)
    connection = _Pinned(place, addresses, until)
    late = threading.Event()

    def cut() -> None:
        late.set()
        connection.cut()

    timer = threading.Timer(max(until - time.monotonic(), 0.0), cut)
    timer.daemon = True
    timer.start()
    try:
        headers = {"Accept": "image/*", "Accept-Encoding": "identity", "User-Agent": "pawfect"}
        connection.request("GET", place.path, headers=headers)
        # The connection lets go of an answer that ends it.
        with connection.getresponse() as answer:
            yield answer
        # What was cut off looks like an end where nobody said how long it is.
        if late.is_set():
            raise TimeoutError
    except (OSError, http.client.HTTPException) as error:
        if late.is_set() or time.monotonic() >= until:
            message = f"{place.name}: expected it within {bounds.most_seconds:g} s, got less"
            raise PawfectError(ErrorKind.DEADLINE, message) from None
        got = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
        message = f"{place.name}: expected an answer, got {got}"
        raise PawfectError(ErrorKind.UNAVAILABLE, message) from None
    finally:
        timer.cancel()
        connection.close()


def _content(answer: http.client.HTTPResponse, place: _Place, bounds: Bounds) -> bytes:
    if answer.status != http.client.OK:
        missing = answer.status < http.client.INTERNAL_SERVER_ERROR and answer.status != 429
        kind = ErrorKind.INVALID_ARG if missing else ErrorKind.UNAVAILABLE
        raise PawfectError(kind, f"{place.name}: expected status 200, got {answer.status}")
    coding = answer.getheader("Content-Encoding", "identity")
    if coding.lower() != "identity":
        raise invalid(place.name, "a picture as it is", f"one in {coding}")
    limit = f"at most {bounds.most_bytes / MIB:g} MiB"
    if answer.length is not None and answer.length > bounds.most_bytes:
        raise invalid(place.name, limit, f"{answer.length / MIB:.0f} MiB")
    blocks, size, expected = [], 0, answer.length
    while block := answer.read1(_BLOCK):
        size += len(block)
        if size > bounds.most_bytes:
            raise invalid(place.name, limit, "more")
        blocks.append(block)
    if expected is not None and size < expected:
        raise http.client.IncompleteRead(b"", expected - size)
    return b"".join(blocks)


class _Pinned(http.client.HTTPConnection):
    """A connection to one of the addresses that were checked, whatever the name says by now."""

    def __init__(self, place: _Place, addresses: list[str], until: float) -> None:
        super().__init__(place.host, place.port)
        self._addresses = addresses
        self._until = until
        self._secure = place.secure
        # What the header Host leaves out.
        self.default_port = _PORTS["https" if place.secure else "http"]
        self._open: socket.socket | None = None

    def connect(self) -> None:
        """Connect to the first address that answers."""
        for place, address in enumerate(self._addresses):
            left = self._until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            try:
                self._open = socket.create_connection((address, self.port), timeout=left)
                break
            except OSError:
                if place == len(self._addresses) - 1:
                    raise
        assert self._open is not None
        self.sock = self._open
        if self._secure:
            context = ssl.create_default_context()
            self._open = context.wrap_socket(self._open, server_hostname=self.host)
            self.sock = self._open

    def cut(self) -> None:
        """End what waits for the other side, from another thread."""
        if self._open is not None:
            try:
                # Not SSL's own, which waits for the other side.
                socket.socket.shutdown(self._open, socket.SHUT_RDWR)
            except OSError:
                return
