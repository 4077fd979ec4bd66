"""OpenTelemetry in models: the work for a request that carries a trace, and for the calls it makes.

Triton hands the header `traceparent` to models as a parameter of that name (`server_arguments`),
and a flow sends it on with each call of another model. Spans are made here, not by Triton's own
tracing, which goes by rate and records probes too. Without a collector, and for a request without a
trace, nothing is imported and nothing recorded.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from pawfect import __version__
from pawfect.contract.collector import is_named
from pawfect.contract.errors import PawfectError

# The header, and the parameter that it becomes.
TRACEPARENT: Final = "traceparent"
# W3C's Trace Context, version 00: whoever sends anything else has begun no trace.
_FORM: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
# Of all models together; each span says its model.
_SERVICE: Final = "pawfect-server"


def is_on(environment: Mapping[str, str] = os.environ) -> bool:
    """Say whether a collector is named."""
    return is_named(environment)


def is_trace(value: object) -> bool:
    """Say whether a parameter's value is a `traceparent`."""
    return isinstance(value, str) and _FORM.fullmatch(value) is not None


def server_arguments(environment: Mapping[str, str], *, http: bool) -> list[str]:
    """Return Triton's options by which models see the header.

    Args:
        environment: that names a collector, or none.
        http: whether HTTP is on.
    """
    if not is_on(environment):
        return []
    protocols = ("grpc", "http") if http else ("grpc",)
    return [f"--{protocol}-header-forward-pattern={TRACEPARENT}" for protocol in protocols]


@contextmanager
def span(name: str, parent: str | None = None, **attributes: str | int) -> Iterator[None]:
    """Record the block as a span where it belongs to a trace.

    Args:
        name: of the span.
        parent: `traceparent` of the caller; None: the span that is open here.
        attributes: of the span, below `pawfect.`.
    """
    if not is_on() or (parent is None and not carried()):
        yield
        return
    api = _api()
    named = {f"pawfect.{key}": value for key, value in attributes.items()}
    kind = api.SpanKind.INTERNAL if parent is None else api.SpanKind.SERVER
    with _tracer().start_as_current_span(
        name,
        _context(parent),
        kind,
        named,
        record_exception=False,
        set_status_on_exception=False,
    ) as opened:
        try:
            yield
        except BaseException as error:
            # Its kind alone: a message may hold what a request said.
            failure = error.kind.name if isinstance(error, PawfectError) else type(error).__name__
            opened.set_status(api.Status(api.StatusCode.ERROR, failure))
            raise


def record(name: str, parent: str | None, start_ns: int, **attributes: str | int) -> None:
    """Write down a span that ends now: of a request whose work was done beside others'.

    Args:
        name: of the span.
        parent: `traceparent` of the caller; None: nothing is written.
        start_ns: when it began, ns since the epoch.
        attributes: of the span, below `pawfect.`.
    """
    if parent is None or not is_on():
        return
    named = {f"pawfect.{key}": value for key, value in attributes.items()}
    server = _api().SpanKind.SERVER
    _tracer().start_span(name, _context(parent), server, named, start_time=start_ns).end()


def carried() -> dict[str, str]:
    """Return the parameter that carries the open span to another model; none where none is open."""
    if not is_on() or not _begun():
        return {}
    headers: dict[str, str] = {}
    _propagator().inject(headers)
    return {name: value for name, value in headers.items() if name == TRACEPARENT}


def end() -> None:
    """Send what was recorded, as a model ends."""
    if is_on() and _begun():
        _provider().shutdown()


def _begun() -> bool:
    """Say whether anything was recorded in this process."""
    return _provider.cache_info().currsize > 0


def _context(parent: str | None) -> Any:
    return None if parent is None else _propagator().extract({TRACEPARENT: parent})


@cache
def _api() -> Any:
    from opentelemetry import trace

    return trace


@cache
def _propagator() -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator()


@cache
def _provider() -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = {"service.name": _SERVICE, "service.version": __version__}
    # Ended by `end`: whatever hooks an interpreter's own end has, a stub process does not run.
    provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def _tracer() -> Any:
    return _provider().get_tracer("pawfect.models", __version__)
