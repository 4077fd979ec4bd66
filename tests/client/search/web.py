"""A web server on loopback that gives pictures by script, and keeps what was asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.loopback import serving


@dataclass
class Page:
    """What is sent for a path.

    `length` is what the header says, None nothing; `endless` sends the body again and again until
    the other side has gone; `slow` sends it byte by byte, each after so many seconds.
    """

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = -1
    endless: bool = False
    slow_s: float | None = None


class Web:
    def __init__(self, address: str = "127.0.0.1") -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[tuple[str, str]] = []
        # Says that who asked for something endless or slow has gone.
        self.left = threading.Event()
        self._http = ThreadingHTTPServer((address, 0), self._handler())
        self._http.daemon_threads = True

    @property
    def url(self) -> str:
        host, port = self._http.server_address[:2]
        return f"http://{host}:{port}"

    @property
    def port(self) -> int:
        return self._http.server_address[1]

    @contextmanager
    def serving(self) -> Iterator[Web]:
        with serving(self._http):
            yield self

    def redirect(self, path: str, target: str, status: int = 302) -> None:
        self.pages[path] = Page(status=status, headers={"Location": target})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.asked.append((self.path, self.headers["Host"]))
                page = owner.pages.get(self.path.partition("?")[0], Page(status=404))
                self.send_response(page.status)
                for name, value in page.headers.items():
                    self.send_header(name, value)
                if page.length is not None:
                    length = len(page.body) if page.length == -1 else page.length
                    self.send_header("Content-Length", str(length))
                self.end_headers()
                try:
                    self._send(page)
                except OSError:
                    owner.left.set()

            def _send(self, page: Page) -> None:
                while page.endless:
                    self.wfile.write(page.body)
                if page.slow_s is None:
                    self.wfile.write(page.body)
                    return
                waiting = threading.Event()
                for byte in page.body:
                    self.wfile.write(bytes([byte]))
                    waiting.wait(page.slow_s)

            def log_message(self, *args: Any) -> None:
                pass

        return Handler
