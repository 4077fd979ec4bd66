"""The table of metrics: names and labels as Prometheus wants them."""

from __future__ import annotations

import re

import pytest

from pawfect.contract.metrics import METRICS, Metric, MetricType, Source

OURS = [metric for metric in METRICS.values() if metric.source is not Source.TRITON]
# Whoever looks at a metric learns nothing of a person or of a picture.
PERSONAL = {"uid", "user", "session", "sid", "job", "caller", "key", "path", "file", "prompt"}


@pytest.mark.parametrize("metric", OURS, ids=lambda metric: metric.name)
def test_a_metric_is_named_by_its_type_and_unit(metric: Metric):
    assert re.fullmatch(r"pawfect(_[a-z]+)+", metric.name)
    assert metric.name.endswith("_total") is (metric.type is MetricType.COUNTER)
    assert not re.search(r"_total_|_count$|_sum$|_bucket$", metric.name)
    assert metric.meaning[0].isupper()
    assert not metric.meaning.endswith(".")
    # Prometheus's own conventions: seconds; what is older stays.
    assert "_ms" not in metric.name or metric.name == "pawfect_network_load_ms"


@pytest.mark.parametrize("metric", OURS, ids=lambda metric: metric.name)
def test_no_label_names_a_person_or_a_picture(metric: Metric):
    assert not set(metric.labels) & PERSONAL
    assert len(metric.labels) <= 4


def test_histograms_alone_have_buckets_and_these_grow():
    for metric in METRICS.values():
        assert bool(metric.buckets) is (metric.type is MetricType.HISTOGRAM)
        assert list(metric.buckets) == sorted(set(metric.buckets))


def test_models_tell_what_triton_lets_them_tell():
    told = {metric.type for metric in METRICS.values() if metric.source is Source.MODELS}
    assert told == {MetricType.COUNTER, MetricType.GAUGE}
