"""A metrics page, parsed by Prometheus's own client and held against the table of metrics."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from typing import Any

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from pawfect.contract.metrics import METRICS, MetricType

# A histogram's own.
BUCKET_END = "le"


def page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def families(text: str) -> dict[str, Family]:
    """Families by the table's names, which have a counter's `_total`."""
    found = {}
    for family in text_string_to_metric_families(text):
        total = f"{family.name}_total"
        found[total if total in METRICS else family.name] = family
    return found


def ours(text: str) -> dict[str, Family]:
    return {name: family for name, family in families(text).items() if name.startswith("pawfect_")}


def differences(found: dict[str, Family]) -> Iterator[str]:
    """What a page's families have otherwise than the table."""
    for name, family in found.items():
        metric = METRICS.get(name)
        if metric is None:
            yield f"{name}: not in the table"
            continue
        if family.type != metric.type.value:
            yield f"{name}: a {family.type}"
        if name.startswith("pawfect_") and family.documentation != metric.meaning:
            yield f"{name}: {family.documentation}"
        own = {BUCKET_END} if metric.type is MetricType.HISTOGRAM else set()
        for sample in family.samples:
            if set(sample.labels) - own != set(metric.labels):
                yield f"{name}: labels {sorted(sample.labels)}"


def value(text: str, name: str, **labels: Any) -> float:
    """The sum of a series' samples with these labels; 0 where there is none."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and all(sample.labels.get(k) == v for k, v in labels.items())
    )
