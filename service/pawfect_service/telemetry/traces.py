"""OpenTelemetry: one trace from the request through the queue to each of the server's stages."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from pawfect import __version__
from pawfect.contract.collector import check_collector, is_named
from pawfect.contract.errors import PawfectError
from pawfect_service.telemetry.logs import without_got

_W3C: Final = TraceContextTextMapPropagator()


def send_traces(service: str) -> TracerProvider | None:
    """Send this process's spans to the collector that the environment names.

    Returns:
        The provider, to be shut down at the end; None, and nothing is recorded, where neither
        OTEL_EXPORTER_OTLP_ENDPOINT nor OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set.

    Raises:
        PawfectError: INVALID_ARG for an address that nothing could be sent to.
    """
    if not is_named(os.environ):
        return None
    check_collector(os.environ)
    named = {"service.name": service, "service.version": __version__}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider


@contextmanager
def span(
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: Context | None = None,
    attributes: Mapping[str, str | int | float] | None = None,
) -> Iterator[Span]:
    """Open a span around the block; an exception that leaves it marks it as failed.

    Args:
        name: of the span.
        kind: its role between processes.
        parent: what it belongs to; None: the span that is open here.
        attributes: of the span.
    """
    tracer = trace.get_tracer("pawfect.sessions", __version__)
    with tracer.start_as_current_span(
        name,
        parent,
        kind,
        attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as opened:
        try:
            yield opened
        except PawfectError as error:
            said = without_got(error.message)
            opened.set_status(Status(StatusCode.ERROR, f"{error.kind.value}: {said}"))
            raise
        except BaseException as error:
            opened.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def carried() -> dict[str, str]:
    """Return the headers that carry the open span to another process: `traceparent`, or none."""
    headers: dict[str, str] = {}
    _W3C.inject(headers)
    return headers


def grpc_headers() -> tuple[tuple[str, str], ...]:
    """Return `carried` as gRPC metadata."""
    return tuple(carried().items())


def context_of(headers: Mapping[str, str]) -> Context:
    """Return the context that came with a message or a request; an empty one where none did.

    Whatever is not W3C's form counts as none.
    """
    return _W3C.extract(dict(headers), Context())


class StageSpans:
    """Spans of the server's stages, from when the stream told of them and REPORT's times.

    REPORT says how long each stage took, not when. A stage that the stream told of ended then;
    one that it did not tell of is put behind the one before it.
    """

    def __init__(self) -> None:
        self._began_ns = time.time_ns()
        self._ended_ns: dict[str, int] = {}

    def ended(self, stage: str) -> None:
        """Note that the stream told of a stage's end now."""
        self._ended_ns[stage] = time.time_ns()

    def record_told(self) -> None:
        """Write a span per stage that the stream told of, below the open one: the fill failed.

        Each begins where the one before it ended; without REPORT nothing says it more exactly.
        """
        begin_ns = self._began_ns
        for stage, end_ns in self._ended_ns.items():
            self._span(stage, begin_ns, end_ns)
            begin_ns = end_ns

    def record(self, stage_ms: Mapping[str, float]) -> None:
        """Write a span per stage below the open one.

        Args:
            stage_ms: milliseconds per stage, in the order in which they ran.
        """
        previous_ns = self._began_ns
        for stage, spent_ms in stage_ms.items():
            spent_ns = round(spent_ms * 1e6)
            end_ns = self._ended_ns.get(stage, previous_ns + spent_ns)
            self._span(stage, end_ns - spent_ns, end_ns, spent_ms)
            previous_ns = end_ns

    def _span(self, stage: str, start_ns: int, end_ns: int, spent_ms: float | None = None) -> None:
        attributes: dict[str, str | float] = {"pawfect.stage": stage}
        if spent_ms is not None:
            attributes["pawfect.stage_ms"] = spent_ms
        tracer = trace.get_tracer("pawfect.sessions", __version__)
        tracer.start_span(f"triton {stage}", None, attributes=attributes, start_time=start_ns).end(
            end_ns
        )
