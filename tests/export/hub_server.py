"""A real hub on this machine: resolve endpoint, CDN on another origin, ranges, refusals, cuts."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "c" * 40
TOKEN = "hf_secret"


def git_blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass
class Request:
    """What one request asked for."""

    server: str
    method: str
    path: str
    headers: dict[str, str]


@dataclass
class FakeHub:
    """Repositories by name, and how the hub and its CDN misbehave.

    Attributes:
        files: content by (repository, path).
        large: paths that are served by the CDN.
        gated: repositories that need TOKEN.
        faults: what happens to coming GETs that are answered with bytes, first come first served:
            a status, or ("cut", bytes).
        heads: the same for HEADs.
        requests: all that came.
    """

    files: dict[tuple[str, str], bytes] = field(default_factory=dict)
    large: set[str] = field(default_factory=set)
    gated: set[str] = field(default_factory=set)
    faults: list[Any] = field(default_factory=list)
    heads: list[int] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    commit: str = COMMIT
    ranges: bool = True
    endpoint: str = ""
    cdn: str = ""
    served: bytes | None = None  # what the CDN sends instead of the file

    def gets(self) -> list[Request]:
        """The GETs that were for bytes, not for where they are."""
        return [r for r in self.requests if r.method == "GET" and not self.redirects(r)]

    def redirects(self, request: Request) -> bool:
        large = any(request.path.endswith(f"/{path}") for path in self.large)
        return request.server == "hub" and large

    def ranges_asked(self) -> list[str | None]:
        return [r.headers.get("range") for r in self.gets()]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub
    name: str

    def log_message(self, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._note()
        if self.hub.heads:
            return self._status(self.hub.heads.pop(0))
        return self._answer(body=False)

    def do_GET(self) -> None:
        redirected = self.hub.redirects(self._note())
        fault = self.hub.faults.pop(0) if self.hub.faults and not redirected else None
        if isinstance(fault, int):
            return self._status(fault)
        return self._answer(body=True, cut=fault[1] if fault else None)

    def _note(self) -> Request:
        headers = {key.lower(): value for key, value in self.headers.items()}
        self.hub.requests.append(Request(self.name, self.command, self.path, headers))
        return self.hub.requests[-1]

    def _status(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": "0", **headers}.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()

    def _answer(self, *, body: bool, cut: int | None = None) -> None:
        hub = self.hub
        if self.name == "cdn":
            repository, path = self.path[1:].split("|")
            content = hub.files[repository, path] if hub.served is None else hub.served
            return self._send(content, f'"cdn-{hashlib.md5(content).hexdigest()}"', body, cut)
        owner, name, resolve, revision, path = self.path[1:].split("/", 4)
        repository = f"{owner}/{name}"
        assert resolve == "resolve"
        if repository in hub.gated and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            has = "Authorization" in self.headers
            return self._status(403 if has else 401, X_Error_Code="GatedRepo")
        if revision not in (hub.commit, "main"):
            return self._status(404, X_Error_Code="RevisionNotFound")
        if (repository, path) not in hub.files:
            return self._status(404, X_Error_Code="EntryNotFound")
        content = hub.files[repository, path]
        if path not in hub.large:
            return self._send(content, f'"{git_blob(content)}"', body, cut)
        return self._status(
            302,
            Location=f"{hub.cdn}/{repository}|{path}",
            X_Repo_Commit=hub.commit,
            X_Linked_ETag=f'"{hashlib.sha256(content).hexdigest()}"',
            X_Linked_Size=str(len(content)),
        )

    def _send(self, content: bytes, tag: str, body: bool, cut: int | None) -> None:
        start = 0
        asked = self.headers.get("Range")
        if asked and self.hub.ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                return self._status(416)
        self.send_response(206 if start else 200)
        self.send_header("ETag", tag)
        self.send_header("X-Repo-Commit", self.hub.commit)
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            end = len(content) - 1
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(content)}")
        self.end_headers()
        if not body:
            return None
        if cut is not None:
            self.wfile.write(content[start : start + cut])
            self.wfile.flush()
            self.close_connection = True
            return None
        self.wfile.write(content[start:])
        return None


@contextmanager
def running() -> Iterator[FakeHub]:
    """Run a hub and its CDN while the block runs."""
    hub = FakeHub()
    servers = []
    for name in ("hub", "cdn"):
        handler = type("Handler", (_Handler,), {"hub": hub, "name": name})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
    hub.endpoint, hub.cdn = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    try:
        yield hub
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
