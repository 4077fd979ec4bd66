"""What API and worker count; `pawfect.contract.metrics` has the table.

The page is no route of the API's: it has a port of its own, for Prometheus and nobody else.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    start_http_server,
)

from pawfect.contract import metrics as table
from pawfect.contract.metrics import METRICS, Metric, MetricType, Source
from pawfect_service.addresses import refused

# A second series per counter, for the time of its first count, which no rule asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY: Final = CollectorRegistry()
# What stands for the variant of a job that none was dealt to.
NO_VARIANT: Final = "none"
# HTTP's, and what stands for a WebSocket's.
_METHODS: Final = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "WEBSOCKET"}
)
_UNKNOWN: Final = "unknown"


def _counter(metric: Metric) -> Counter:
    return Counter(metric.name, metric.meaning, metric.labels, registry=REGISTRY)


def _gauge(metric: Metric) -> Gauge:
    return Gauge(metric.name, metric.meaning, metric.labels, registry=REGISTRY)


def _histogram(metric: Metric) -> Histogram:
    buckets = metric.buckets
    return Histogram(metric.name, metric.meaning, metric.labels, registry=REGISTRY, buckets=buckets)


_OWN: Final = tuple(
    metric
    for metric in METRICS.values()
    if metric.source in (Source.SERVICE, Source.API, Source.WORKER)
)
_COUNTERS: Final = {m.name: _counter(m) for m in _OWN if m.type is MetricType.COUNTER}
_GAUGES: Final = {m.name: _gauge(m) for m in _OWN if m.type is MetricType.GAUGE}
_HISTOGRAMS: Final = {m.name: _histogram(m) for m in _OWN if m.type is MetricType.HISTOGRAM}
# What a worker does with a message. All stand at 0 from the start: the first one that is buried
# is an increase.
ACTIONS: Final = ("ack", "nack", "fail", "bury")
for _action in ACTIONS:
    _COUNTERS[table.DELIVERIES.name].labels(action=_action)


def count(metric: Metric, amount: float = 1.0, **labels: str) -> None:
    """Add to a counter of the table, whose labels these are."""
    counter = _COUNTERS[metric.name]
    (counter.labels(**labels) if labels else counter).inc(amount)


def observe(metric: Metric, value: float, **labels: str) -> None:
    """Add a value to a histogram of the table, whose labels these are."""
    _HISTOGRAMS[metric.name].labels(**labels).observe(value)


def running(by: int) -> None:
    """Count jobs that begin (1) or end (-1) in this process."""
    _GAUGES[table.JOBS_RUNNING.name].inc(by)


def variant_label(variant: str | None) -> str:
    """Return the label of a job's variant."""
    return variant or NO_VARIANT


def known_method(method: str) -> str:
    """Return a request's method; any text may stand in its place."""
    return method if method in _METHODS else _UNKNOWN


def count_request(method: str, route: str | None, status: int, seconds: float | None) -> None:
    """Count an HTTP request.

    Args:
        method: as it came, or WEBSOCKET.
        route: its template; None: no route of ours.
        status: of the answer; 0: none was sent.
        seconds: to the answer's last byte; None where it was a stream.
    """
    known = known_method(method)
    count(table.HTTP_REQUESTS, method=known, route=route or _UNKNOWN, status=str(status))
    if seconds is not None:
        observe(table.HTTP_SECONDS, seconds, method=known)


def tell_metrics(host: str, port: int | None) -> None:
    """Serve the metrics page in a thread for as long as this process lives.

    Args:
        host: the address.
        port: of it; None: there is no page.

    Raises:
        PawfectError: INVALID_ARG where the address is not to be had.
    """
    if port is None:
        return
    try:
        start_http_server(port, host, REGISTRY)
    except OSError as error:
        purpose, option = "an address for the metrics page", "--metrics-port"
        raise refused(host, port, purpose, option, error) from None
