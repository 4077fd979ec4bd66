"""Real HTTP servers on loopback that speak the APIs of the judges elsewhere, by script.

`GeminiServer` speaks `POST /v1beta/models/{model}:generateContent`, `MoondreamServer`
`POST /v1/query`, as far as their clients use them.
"""

from __future__ import annotations

import base64
import io
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL import Image

from tests.loopback import serving

KEY = "AIza-the-operators-own-key-1234567890"


@dataclass
class Asked:
    """One request as it arrived."""

    path: str
    headers: Mapping[str, str]
    model: str | None
    text: str
    pictures: list[np.ndarray]
    body: dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """What is sent back; `cut`: the connection is closed in the middle of it."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


def as_json(body: Any, status: int = 200, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    given = {"Content-Type": "application/json", **named}
    return Reply(status, json.dumps(body).encode(), given)


CUT = Reply(body=b'{"answer": "', cut=True)

Respond = Callable[[Asked], Reply]


def in_turn(*replies: Reply | Respond) -> Respond:
    """Return what gives one reply after the other; the last again and again."""
    left = list(replies)
    lock = threading.Lock()

    def respond(asked: Asked) -> Reply:
        with lock:
            reply = left.pop(0) if len(left) > 1 else left[0]
        return reply if isinstance(reply, Reply) else reply(asked)

    return respond


class JudgeServer:
    """Answers with what `respond` returns, and keeps what was asked."""

    base = ""

    def __init__(self, respond: Respond) -> None:
        self.respond = respond
        self.asked: list[Asked] = []
        # With `hold`, what it says yes to is never answered: `arrived` says that one waits, `left`
        # that its caller has gone.
        self.hold: Callable[[Asked], bool] = lambda asked: False
        self.arrived, self.left = threading.Event(), threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self._scheme = "http"

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._http.server_address[1]}{self.base}"

    def behind_tls(self, key: Path, certificate: Path) -> None:
        """Speak TLS from now on; each connection shakes hands in its own thread."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        plain = self._http.socket
        self._http.socket = context.wrap_socket(
            plain, server_side=True, do_handshake_on_connect=False
        )
        self._scheme = "https"

    @contextmanager
    def serving(self) -> Iterator[Self]:
        with serving(self._http):
            yield self

    def read(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Asked:
        raise NotImplementedError

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                asked = owner.read(self.path, dict(self.headers), body)
                owner.asked.append(asked)
                if owner.hold(asked):
                    owner.arrived.set()
                    # Ends when the caller closes the connection.
                    assert self.connection.recv(1) == b""
                    owner.left.set()
                    self.close_connection = True
                    return
                reply = owner.respond(asked)
                self.send_response(reply.status)
                length = len(reply.body) + (1000 if reply.cut else 0)
                for name, value in {"Content-Length": str(length), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)
                self.close_connection = self.close_connection or reply.cut

            def do_GET(self) -> None:
                # Where a redirection of a request that was followed would come.
                owner.asked.append(Asked(self.path, dict(self.headers), None, "", [], {}))
                self.send_error(404)

            def handle(self) -> None:
                # Who does not trust the certificate hangs up in the middle of the handshake.
                with suppress(ssl.SSLError):
                    super().handle()

            def log_message(self, *args: Any) -> None:
                pass

        return Handler


def picture(data: str) -> np.ndarray:
    # Google's SDK writes base64 for URLs.
    content = base64.b64decode(data.translate(str.maketrans("-_", "+/")), validate=True)
    with Image.open(io.BytesIO(content)) as image:
        assert image.format == "JPEG"
        return np.array(image)


# --- Gemini -----------------------------------------------------------------------------------


def gemini_says(text: str, end: str = "STOP", **more: Any) -> Reply:
    content = {"role": "model", "parts": [{"text": text}]}
    return as_json({"candidates": [{"content": content, "finishReason": end}], **more})


def gemini_scores(**given: Any) -> Reply:
    return gemini_says(json.dumps(given))


def gemini_error(status: int, message: str, *details: Any, **headers: str) -> Reply:
    error = {"code": status, "message": message, "status": "X", "details": list(details)}
    return as_json({"error": error}, status, **headers)


class GeminiServer(JudgeServer):
    def __init__(self) -> None:
        super().__init__(in_turn(gemini_scores(consistency=7, realism=6.5, flaws=[])))

    def read(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Asked:
        found = re.fullmatch(r"/v1beta/models/([\w.-]+):generateContent", path)
        assert found, path
        parts = [part for content in body["contents"] for part in content["parts"]]
        texts = [part["text"] for part in parts if "text" in part]
        shown = [picture(part["inlineData"]["data"]) for part in parts if "inlineData" in part]
        return Asked(path, headers, found[1], "\n".join(texts), shown, body)


# --- Moondream --------------------------------------------------------------------------------


def moondream_says(answer: Any) -> Reply:
    return as_json({"request_id": "1", "answer": answer})


def key_of(asked: Asked) -> str:
    """Return the number that a question asks for."""
    found = re.search(r'\{"(\w+)": a number', asked.text)
    assert found, asked.text
    return found[1]


def moondream_scores(**given: Any) -> Respond:
    """Return what answers each question by its key; a list is a number for each way round."""
    left = {
        key: list(value) if isinstance(value, list) else [value] for key, value in given.items()
    }
    lock = threading.Lock()

    def respond(asked: Asked) -> Reply:
        key = key_of(asked)
        with lock:
            value = left[key].pop(0) if len(left[key]) > 1 else left[key][0]
        return value if isinstance(value, Reply) else moondream_says(json.dumps({key: value}))

    return respond


class MoondreamServer(JudgeServer):
    base = "/v1"

    def __init__(self) -> None:
        super().__init__(moondream_scores(consistency=7, realism=6, likeness=8, difference=1))

    def read(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Asked:
        assert path == "/v1/query", path
        kind, _, data = body["image_url"].partition(",")
        assert kind == "data:image/jpeg;base64"
        return Asked(path, headers, body.get("model"), body["question"], [picture(data)], body)
