"""Prometheus's rules: they ask for what is told, fire when they should, and say what to do then."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from pawfect.contract.metrics import METRICS
from perf.observability.queries import asked, known, problems
from tests.deploy.alert_rules import FILE, Alert, alerts, recorded, recorded_labels
from tests.deploy.scraped import promtool

TESTS = FILE.with_name("rules.test.yaml")
RUNBOOKS = Path("docs/runbooks")
ALERTS = alerts()


def test_prometheus_itself_takes_the_rules():
    ran = promtool("check", "rules", str(FILE))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{len(ALERTS) + len(recorded())} rules found" in ran.stdout


def test_each_alert_is_quiet_and_fires_as_prometheus_evaluates_it():
    ran = promtool("test", "rules", str(TESTS))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    tested = {
        case["name"]: case["alert_rule_test"] for case in yaml.safe_load(TESTS.read_text())["tests"]
    }
    assert set(tested) == {alert.name for alert in ALERTS}
    for name, cases in tested.items():
        assert {case["alertname"] for case in cases} == {name}
        assert sorted(bool(case["exp_alerts"]) for case in cases) == [False, True]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_asks_for_what_is_told_and_has_a_runbook(alert: Alert):
    assert list(problems(alert.query, recorded_labels())) == []
    assert alert.severity in ("page", "ticket")
    assert alert.name.startswith("Pawfect")
    text = alert.runbook.read_text("utf-8")
    assert re.findall(r"^## (.+)$", text, re.M) == [
        "What it means", "How to look", "How to mend",
    ]  # fmt: skip
    assert alert.name in text.partition("## What it means")[0]


def test_what_is_recorded_stands_on_what_is_told():
    for query in recorded().values():
        assert list(problems(query, {})) == []


def test_a_query_of_a_metric_or_label_that_nobody_tells_is_found():
    assert list(problems("rate(pawfect_nothing_total[5m])", {})) == [
        "pawfect_nothing_total: no such series"
    ]
    assert list(problems('sum(pawfect_answers_total{user="u"})', {})) == [
        "pawfect_answers_total: no label user"
    ]
    assert list(problems("sum by (session) (pawfect_answers_total)", {})) == [
        "no series here has the label session"
    ]
    with pytest.raises(ValueError, match="unclosed left parenthesis"):
        asked("sum by (")


def test_no_runbook_is_without_an_alert_and_each_names_metrics_that_there_are():
    files = set(RUNBOOKS.glob("*.md"))
    assert {alert.runbook for alert in ALERTS} == files
    told = {*known(), *METRICS, *recorded()}
    for file in files:
        text = file.read_text("utf-8")
        named = set(re.findall(r"\b(?:pawfect|nv)(?:_[a-z]+)+|pawfect:[a-z_]+:[a-z0-9]+", text))
        assert named <= told, file
        for link in re.findall(r"\]\(([^)#]+)\)", text):
            assert (file.parent / link).is_file(), (file, link)
        # Queries in it that are whole are queries.
        for query in re.findall(r"`([^`]*\[\d+[mhd]\][^`]*)`", text):
            assert list(problems(query, recorded_labels())) == [], (file, query)


def test_the_alerts_that_were_asked_for_are_there():
    limits = {alert.name: alert.query for alert in ALERTS}
    assert limits["PawfectOutOfMemory"].endswith("> 0.001")
    assert "> 60" in limits["PawfectColdStart"]
    assert "< 4.5" in limits["PawfectLowRating"]
