"""A collector of traces on loopback: takes OTLP over HTTP and keeps the spans."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.loopback import serving


@dataclass(frozen=True)
class Kept:
    """A span as it came, its ids hexadecimal."""

    name: str
    service: str
    trace: str
    id: str
    parent: str
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    failure: str


class Collector:
    """Keeps what is sent to `url`."""

    def __init__(self) -> None:
        self.spans: list[Kept] = []
        self.arrived = threading.Condition()
        kept, arrived = self.spans, self.arrived

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                with arrived:
                    kept.extend(_read(body))
                    arrived.notify_all()
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1/traces"

    @contextmanager
    def serving(self) -> Iterator[Collector]:
        with serving(self._server):
            yield self

    def of(self, trace: str, least: set[str], timeout_s: float = 20.0) -> list[Kept]:
        """A trace's spans, once those of these names are there."""

        def there() -> bool:
            return least <= {span.name for span in self.spans if span.trace == trace}

        with self.arrived:
            assert self.arrived.wait_for(there, timeout_s), sorted(
                span.name for span in self.spans if span.trace == trace
            )
            return [span for span in self.spans if span.trace == trace]


def _read(body: bytes) -> Iterator[Kept]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        about = {each.key: each.value.string_value for each in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Kept(
                    span.name,
                    about.get("service.name", ""),
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    {
                        each.key: each.value.string_value or each.value.int_value
                        for each in span.attributes
                    },
                    span.status.message,
                )
