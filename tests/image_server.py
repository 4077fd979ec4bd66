"""A real HTTP server on loopback that speaks OpenAI's image edit as far as `refine` uses it."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from PIL import Image

from tests.loopback import serving

KEY = "sk-the-operators-own-key-1234567890"


@dataclass
class Asked:
    """One request as it arrived: texts and pictures by field."""

    path: str
    authorization: str
    texts: dict[str, str] = field(default_factory=dict)
    pictures: dict[str, list[np.ndarray]] = field(default_factory=dict)


# Status, content type and body.
Answer = tuple[int, str, bytes]


def picture_file(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, kind)
    return sink.getvalue()


def answer(status: int, body: Any) -> Answer:
    return status, "application/json", json.dumps(body).encode()


def drawn(pixels: np.ndarray) -> Answer:
    """Return the answer that carries a picture."""
    data = base64.b64encode(picture_file(pixels)).decode()
    return answer(200, {"created": 1, "data": [{"b64_json": data}]})


def refused(status: int, message: str, code: str | None = None) -> Answer:
    return answer(status, {"error": {"message": message, "type": "error", "code": code}})


def plain(colour: tuple[int, int, int], size: tuple[int, int] | None = None):
    """Return what draws a picture of one colour, of the size asked for or (width, height)."""

    def draw(asked: Asked) -> Answer:
        width, height = size or map(int, asked.texts["size"].split("x"))
        return drawn(np.full((height, width, 3), colour, np.uint8))

    return draw


class ImageServer:
    """Answers with what `draw` returns, and keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.draw: Callable[[Asked], Answer] = plain((200, 40, 40))
        # With `hold` set, no answer comes: `arrived` says that one waits, `left` that its caller
        # has gone.
        self.hold = False
        self.arrived = threading.Event()
        self.left = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    @contextmanager
    def serving(self) -> Iterator[ImageServer]:
        with serving(self._http):
            yield self

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = _read(self)
                owner.asked.append(asked)
                if owner.hold:
                    owner.arrived.set()
                    # Ends when the caller closes the connection.
                    assert self.connection.recv(1) == b""
                    owner.left.set()
                    return
                status, kind, body = owner.draw(asked)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                if status in (301, 307):
                    self.send_header("Location", body.decode())
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        return Handler


def _read(handler: BaseHTTPRequestHandler) -> Asked:
    body = handler.rfile.read(int(handler.headers["Content-Length"]))
    head = f"Content-Type: {handler.headers['Content-Type']}\r\n\r\n".encode()
    asked = Asked(handler.path, handler.headers["Authorization"])
    for part in BytesParser().parsebytes(head + body).get_payload():
        name = part.get_param("name", header="content-disposition").removesuffix("[]")
        data = part.get_payload(decode=True)
        if part.get_filename() is None:
            asked.texts[name] = data.decode()
        else:
            asked.pictures.setdefault(name, []).append(np.array(Image.open(io.BytesIO(data))))
    return asked
