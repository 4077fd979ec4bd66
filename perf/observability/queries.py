"""PromQL as rules, dashboard and runbooks have it: which series and labels a query asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import promql_parser

from pawfect.contract.metrics import METRICS, MetricType

# What Prometheus itself sets on each series that it scrapes.
TARGET: Final = frozenset({"instance", "job"})
_BUCKET: Final = "_bucket"


@dataclass(frozen=True)
class Asked:
    """What a query asks for.

    Attributes:
        series: names of time series.
        labels: by series, those that its matchers name.
        grouped: labels that aggregations and matchings name.
    """

    series: frozenset[str]
    labels: Mapping[str, frozenset[str]]
    grouped: frozenset[str]


def asked(query: str) -> Asked:
    """Parse a query.

    Raises:
        ValueError: it is no PromQL.
    """
    series: dict[str, set[str]] = {}
    grouped: set[str] = set()
    for node in _nodes(promql_parser.parse(query)):
        if isinstance(node, promql_parser.VectorSelector):
            if not node.name:
                raise ValueError(f"expected selectors with a metric's name, got {query}")
            matched = {matcher.name for matcher in node.matchers.matchers}
            series.setdefault(node.name, set()).update(matched)
        grouped.update(_grouped(node))
    labels = {name: frozenset(own) for name, own in series.items()}
    return Asked(frozenset(series), labels, frozenset(grouped))


def known() -> dict[str, frozenset[str]]:
    """Return the labels of each time series of the table, by the series' name."""
    found = {}
    for metric in METRICS.values():
        for name in metric.series:
            own = {"le"} if name.endswith(_BUCKET) and metric.type is MetricType.HISTOGRAM else ()
            found[name] = TARGET | set(metric.labels) | set(own)
    return found


def problems(query: str, recorded: Mapping[str, frozenset[str]]) -> Iterator[str]:
    """Yield what a query asks for that nothing tells.

    Args:
        query: PromQL.
        recorded: labels of the series that rules record, by name.
    """
    told = {**known(), **recorded}
    parsed = asked(query)
    for name in sorted(parsed.series):
        if name not in told:
            yield f"{name}: no such series"
        else:
            yield from (f"{name}: no label {one}" for one in parsed.labels[name] - told[name])
    every = {label for name in parsed.series for label in told.get(name, ())}
    yield from (f"no series here has the label {one}" for one in parsed.grouped - every)


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    for name in ("lhs", "rhs", "expr", "param", "vector_selector"):
        child = getattr(node, name, None)
        if isinstance(child, promql_parser.Expr | promql_parser.VectorSelector):
            yield from _nodes(child)
    for child in getattr(node, "args", None) or ():
        yield from _nodes(child)


def _grouped(node: Any) -> Iterator[str]:
    modifier = getattr(node, "modifier", None)
    if isinstance(node, promql_parser.AggregateExpr) and modifier is not None:
        yield from modifier.labels or ()
    if isinstance(node, promql_parser.BinaryExpr) and modifier is not None:
        if modifier.matching is not None:
            yield from modifier.matching.labels
        yield from modifier.group_labels or ()
