"""Grafana's dashboard: it is the table of panels, and each of its queries finds what it needs."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import Any

import pytest
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client import generate_latest

from pawfect.contract.metrics import METRICS, Source
from pawfect_service.telemetry.metrics import REGISTRY
from perf.observability.dashboard import FILE, dashboard
from perf.observability.panels import rows
from perf.observability.queries import asked, problems
from tests.deploy.alert_rules import alerts, recorded, recorded_labels
from tests.scrape import families
from tests.server.test_metrics import UNSEEN, worked

BOARD: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
PLOTS = [plot for plots in rows().values() for plot in plots]
QUERIES = {
    f"{plot.title}: {legend}": (query, legend)
    for plot in PLOTS
    for legend, query in plot.queries.items()
}


def metrics_of(query: str) -> set[str]:
    """The table's metrics that a query stands on, by what rules record too."""
    found = set()
    for name in asked(query).series:
        if name in recorded():
            found |= metrics_of(recorded()[name])
        else:
            found |= {metric.name for metric in METRICS.values() if name in metric.series}
    return found


def test_the_file_is_made_of_the_table():
    assert FILE.read_text("utf-8") == dashboard(), "python -m perf.observability writes it"


def test_grafanas_own_classes_read_it_back():
    read = Dashboard.from_json(BOARD)
    assert read.panels is not None
    assert [panel.title for panel in read.panels] == [panel["title"] for panel in BOARD["panels"]]
    sent = [target["expr"] for panel in BOARD["panels"] for target in panel.get("targets", ())]
    assert sent == [query for query, _ in QUERIES.values()]


def test_no_two_panels_share_an_id_or_a_place():
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(ids)) == len(ids)
    for one, other in combinations((panel["gridPos"] for panel in BOARD["panels"]), 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in BOARD["panels"])


def test_units_are_grafanas():
    known = {value for name, value in vars(units).items() if name[0].isupper()}
    assert {plot.unit for plot in PLOTS} <= known


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_asks_for_what_is_told_and_its_legend_for_labels_it_has(name: str):
    query, legend = QUERIES[name]
    assert list(problems(query, recorded_labels())) == []
    told = asked(query)
    labels = told.grouped | {"instance"}
    for series in told.series:
        labels |= recorded_labels().get(series, frozenset())
        labels |= set(METRICS[series].labels) if not told.grouped and series in METRICS else set()
    assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= labels


def test_each_query_finds_its_metrics_on_the_pages_of_the_running_system(server, gemini):
    there = set(families(worked(server))) | set(families(generate_latest(REGISTRY).decode()))
    for name, (query, _) in QUERIES.items():
        needed = metrics_of(query)
        assert needed, name
        assert needed - UNSEEN <= there, name
    for alert in alerts():
        assert metrics_of(alert.query) - UNSEEN <= there, alert.name


def test_every_metric_of_ours_is_on_the_dashboard():
    shown = set[str]().union(*(metrics_of(query) for query, _ in QUERIES.values()))
    assert {m.name for m in METRICS.values() if m.source is not Source.TRITON} <= shown
