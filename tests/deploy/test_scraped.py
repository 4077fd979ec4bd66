"""What is asked for is scraped: every page that is deployed, every metric of a rule or a panel."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Final

import pytest

from pawfect.contract.metrics import METRICS, Source
from tests.deploy import test_compose as compose
from tests.deploy.alert_rules import alerts, recorded
from tests.deploy.cluster import CANARIES, OVERLAYS, Pod, named, of_kind, pods
from tests.deploy.scraped import (
    OBSERVABILITY,
    annotated,
    configuration,
    discovered,
    pages,
    promtool,
    static_targets,
    with_processes,
)
from tests.deploy.test_dashboard import QUERIES, metrics_of
from tests.deploy.test_kubernetes_guarded import End, ends, lets

# Whose page a metric is on; all of these show it.
EXPORTERS: Final = {
    Source.TRITON: ("server",),
    Source.MODELS: ("server",),
    Source.SERVICE: ("api", "worker"),
    Source.API: ("api",),
    Source.WORKER: ("worker",),
}
# Each alert, rule and panel with what it asks for.
ASKED: Final = {
    **{f"alert {alert.name}": metrics_of(alert.query) for alert in alerts()},
    **{f"rule {name}": metrics_of(query) for name, query in recorded().items()},
    **{f"panel {name}": metrics_of(query) for name, (query, _) in QUERIES.items()},
}
every = pytest.mark.parametrize("overlay", [*OVERLAYS, *CANARIES])


def telling(overlay: str) -> list[Pod]:
    """The pods that have metrics to show."""
    return [one for one in pods(overlay) if one.component in ("server", "api", "worker")]


def shown(one: Pod, overlay: str) -> set[int]:
    """The ports of a pod's pages, as its command opens them."""
    options = one.options(one.main, overlay)
    assert options["host"] == "0.0.0.0", "its page is read from elsewhere"
    return pages(options)


def missing(scraped: dict[str, bool]) -> list[str]:
    """What asks for a metric that is on no page that is scraped.

    Args:
        scraped: for each of server, API and worker, whether its page is.
    """
    return [
        f"{name}: {metric} of {component}"
        for name, metrics in ASKED.items()
        for metric in sorted(metrics)
        for component in EXPORTERS[METRICS[metric].source]
        if not scraped[component]
    ]


# --- Kubernetes -----------------------------------------------------------------------------------


@every
def test_every_page_is_a_declared_port_that_an_annotation_names(overlay):
    there = telling(overlay)
    expected = {(one.name, port) for one in there for port in shown(one, overlay)}
    declared = {
        (one.name, number)
        for one in there
        for name, number in one.ports.items()
        if name.startswith("metrics")
    }
    assert len(expected) == len(there)
    assert declared == annotated(list(pods(overlay))) == expected


def test_prometheus_finds_every_page_by_the_clusters_configuration_and_no_other_port(tmp_path):
    # Of all overlays at once, told apart by the pods' names.
    there = [
        (overlay, replace(one, name=f"{overlay}:{one.name}"))
        for overlay in (*OVERLAYS, *CANARIES)
        for one in pods(overlay)
    ]
    found = discovered([one for _, one in there], tmp_path)
    assert {(each.pod, each.port) for each in found} == {
        (one.name, port)
        for overlay, one in there
        if one.component != "weights"
        for port in shown(one, overlay)
    }


@every
def test_what_alerts_and_panels_ask_for_is_on_a_page_that_is_scraped(overlay):
    scraped = {
        component: all(
            (one.name, port) in annotated(telling(overlay))
            for one in telling(overlay)
            if one.component == component
            for port in shown(one, overlay) or {0}
        )
        for component in ("server", "api", "worker")
    }
    assert all(ASKED.values())
    assert missing(scraped) == []


def test_series_of_the_cluster_have_the_labels_that_are_asked_for(tmp_path):
    found = discovered(list(pods("t4")), tmp_path)
    assert {each.job for each in found} == set(static_targets("prometheus.yaml"))
    (where,) = {each.namespace for each in found}
    pending = named("t4", "ScaledObject", "pawfect-server")["spec"]["triggers"][1]
    assert f'{{namespace="{where}"}}' in pending["metadata"]["query"]
    assert where in {one["metadata"]["name"] for one in of_kind("t4", "Namespace")}


def test_each_process_of_an_api_has_a_page_that_prometheus_finds_and_reaches(tmp_path):
    (api,) = (one for one in pods("t4") if one.component == "api")
    several = with_processes(api, 16)
    found = discovered([several], tmp_path)
    assert {each.port for each in found} == shown(several, "t4") == set(range(9101, 9117))
    assert {each.job for each in found} == {"pawfect-api"}
    (prometheus,) = (each for each in ends("t4") if each.name == "prometheus")
    (here,) = (each for each in ends("t4") if each.name == "pawfect-api")

    def reached(caller: End, name: str, port: int) -> bool:
        return lets("t4", here, caller, (name, port, "TCP"), "ingress")

    assert all(reached(prometheus, name, port) for name, port in several.ports.items()
               if name != "http")  # fmt: skip
    assert not reached(prometheus, "metrics-17", 9117)
    strangers = [each for each in ends("t4") if each not in (prometheus, here)]
    assert not any(reached(each, "metrics", 9101) for each in strangers)


def test_a_page_that_is_no_longer_scraped_silences_what_is_named(tmp_path):
    silent = missing({"server": True, "api": False, "worker": True})
    assert "alert PawfectLowRating: pawfect_rating of api" in silent
    assert any(line.startswith("alert PawfectApiErrors: ") for line in silent)
    assert not any("PawfectOutOfMemory" in line for line in silent)
    silent = missing({"server": True, "api": True, "worker": False})
    assert any(line.startswith("alert PawfectJobsLost: ") for line in silent)
    # And a port by another name is not found.
    (worker,) = (one for one in pods("t4") if one.component == "worker")
    other = copy.deepcopy(worker)
    (port,) = (each for each in other.main["ports"] if each["name"] == "metrics")
    port["name"] = "numbers"
    assert {each.port for each in discovered([worker], tmp_path)} == {9102}
    assert discovered([other], tmp_path) == set()


# --- compose, and one machine ---------------------------------------------------------------------


def test_prometheus_beside_compose_scrapes_every_page_by_its_services_name():
    targets = static_targets("prometheus.compose.yaml")
    expected = {
        f"pawfect-{name}": {f"{name}:{port}" for port in pages(compose.parsed(name))}
        for name in ("server", "api", "worker")
    }
    assert targets == expected
    for name in ("server", "api", "worker"):
        assert compose.parsed(name)["host"] == "0.0.0.0"
        assert set(compose.SERVICES[name]["networks"]) & set(compose.PROMETHEUS["networks"])
    assert missing({name: bool(targets[f"pawfect-{name}"]) for name in
                    ("server", "api", "worker")}) == []  # fmt: skip


def test_a_page_is_on_no_port_that_is_published_or_used_already():
    for name in ("api", "worker"):
        options = compose.parsed(name)
        others = {options["port"], options.get("health_port")}
        assert not pages(options) & others
        for published in compose.SERVICES[name].get("ports", []):
            assert int(published.rpartition(":")[2]) not in pages(options)


def test_one_machine_has_the_jobs_and_ports_of_the_others():
    targets = static_targets("prometheus.yaml")
    beside = static_targets("prometheus.compose.yaml")
    assert {job: {t.rpartition(":")[2] for t in own} for job, own in targets.items()} == {
        job: {t.rpartition(":")[2] for t in own} for job, own in beside.items()
    }
    assert {t.rpartition(":")[0] for own in targets.values() for t in own} == {"127.0.0.1"}


def test_prometheus_itself_takes_the_configurations(tmp_path):
    for name in ("prometheus.yaml", "prometheus.compose.yaml"):
        ran = promtool("check", "config", str(OBSERVABILITY / name))
        assert ran.returncode == 0, ran.stdout + ran.stderr
    # Debian's build knows no cluster: all but the search is checked, and that by `discovered`.
    config = configuration("prometheus.kubernetes.yaml")
    (job,) = config["scrape_configs"]
    assert set(job) == {"job_name", "kubernetes_sd_configs", "relabel_configs"}
    assert config["rule_files"] == ["rules.yaml"]
    assert (OBSERVABILITY / "rules.yaml").is_file()
