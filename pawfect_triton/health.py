"""What the watch of a server knows, over HTTP, for platforms whose probes run no command.

Cloud Run's probes speak HTTP or gRPC alone, and Triton's own endpoints stay well when a model's
process has died. The watch asks each model for a real inference; this tells what it found.
"""

from __future__ import annotations

import json
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final, Self

from pawfect.contract.errors import without_paths

# A caller that says nothing is let go after this long, s.
SILENT_S: Final = 5.0


class Health:
    """How a watched server is; written by its watch, read from any thread.

    Args:
        patience_s: how long a server may be without an answer of its models, while it starts or
            is restarted, before it counts as beyond help, s.
        hung_s: how long the watch itself may be silent, s.
    """

    def __init__(self, patience_s: float, hung_s: float) -> None:
        self._patience_s, self._hung_s = patience_s, hung_s
        self._lock = threading.Lock()
        self._trouble: str | None = "starting"
        self._since = self._seen = time.monotonic()

    def serves(self) -> None:
        """Note that all models have answered."""
        with self._lock:
            self._trouble, self._seen = None, time.monotonic()

    def seen(self) -> None:
        """Note that the watch went on and found no trouble."""
        with self._lock:
            self._seen = time.monotonic()

    def troubled(self, trouble: str) -> None:
        """Note that the server is restarted, and why."""
        with self._lock:
            if self._trouble is None:
                self._since = time.monotonic()
            self._trouble = without_paths(trouble)

    @property
    def unready(self) -> str | None:
        """Why it fills nothing now; None where all models answered since the last start."""
        with self._lock:
            silent_s = time.monotonic() - self._seen
            if self._trouble is None and silent_s > self._hung_s:
                return f"the watch has been silent for {silent_s:.0f} s"
            return self._trouble

    @property
    def beyond_help(self) -> str | None:
        """Why only a new container helps; None where the watch still mends it itself."""
        trouble = self.unready
        with self._lock:
            if self._trouble is None or trouble is None:
                return trouble
            return trouble if time.monotonic() - self._since > self._patience_s else None


class HealthServer:
    """Answers /readyz and /healthz for the length of a `with` block.

    Args:
        host: address to listen on.
        port: of it.
        health: what is told.

    Raises:
        OSError: the address is not to be had.
    """

    def __init__(self, host: str, port: int, health: Health) -> None:
        handler = type("Handler", (_Handler,), {"health": health})
        self._server = ThreadingHTTPServer((host, port), handler)
        self._server.daemon_threads = True

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    health: Health
    timeout = SILENT_S

    def do_GET(self) -> None:
        """Tell how the server is: 200, or 503 and why."""
        path = self.path.partition("?")[0]
        if path == "/readyz":
            self._tell("ready", self.health.unready)
        elif path == "/healthz":
            self._tell("alive", self.health.beyond_help)
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, form: str, *given: object) -> None:
        """Write no line per probe."""

    def _tell(self, what: str, trouble: str | None) -> None:
        why = {"why": trouble} if trouble else {}
        body = json.dumps({what: trouble is None, **why}).encode()
        self.send_response(HTTPStatus.SERVICE_UNAVAILABLE if trouble else HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
