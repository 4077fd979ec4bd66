"""What Prometheus scrapes of what is deployed: targets by its own tool, pages by our commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from harness.container.image import CONTEXT
from tests.deploy.cluster import LOADER, Pod

OBSERVABILITY: Final = CONTEXT / "deploy/observability"


def promtool(*words: str) -> subprocess.CompletedProcess[str]:
    """Run Prometheus's own tool; without it the test is skipped, and in CI it fails."""
    program = shutil.which("promtool")
    if program is None:
        reason = "promtool is not installed: Debian's package prometheus has it"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    return subprocess.run([program, *words], capture_output=True, text=True, check=False)


@cache
def configuration(name: str) -> dict[str, Any]:
    """A configuration of Prometheus."""
    return dict(yaml.load((OBSERVABILITY / name).read_text(), Loader=LOADER))


def static_targets(name: str) -> dict[str, set[str]]:
    """The targets of a configuration by their job."""
    return {
        job["job_name"]: {each for group in job["static_configs"] for each in group["targets"]}
        for job in configuration(name)["scrape_configs"]
    }


def pages(options: dict[str, Any]) -> set[int]:
    """The ports on which a command shows metrics: one for each of its processes."""
    first = options["metrics_port"]
    return set() if first is None else {first + n for n in range(options.get("processes", 1))}


@dataclass(frozen=True)
class Target:
    """One that is scraped.

    Attributes:
        pod: the workload's name.
        port: where.
        job: as its series are labelled; and so below.
        namespace: of the pod.
    """

    pod: str
    port: int
    job: str
    namespace: str


def annotated(pods: list[Pod]) -> set[tuple[str, int]]:
    """What one scrapes that goes by pods' annotations: one port of each."""
    return {
        (pod.name, int(pod.annotations["prometheus.io/port"]))
        for pod in pods
        if pod.annotations.get("prometheus.io/scrape") == "true"
    }


def discovered(pods: list[Pod], folder: Path) -> set[Target]:
    """What one scrapes by the cluster's configuration, whose rules Prometheus's tool evaluates.

    Args:
        pods: stand for what it would find in the cluster: each port is a target.
        folder: where its input may lie.
    """
    (job,) = configuration("prometheus.kubernetes.yaml")["scrape_configs"]
    (search,) = job["kubernetes_sd_configs"]
    assert search["role"] == "pod"
    found = [
        {"targets": [f"10.0.0.1:{number}"], "labels": _meta(pod, name, number)}
        for pod in pods
        if pod.namespace in search["namespaces"]["names"]
        for name, number in pod.ports.items()
    ]
    rest = {key: value for key, value in job.items() if key != "kubernetes_sd_configs"}
    config = folder / "prometheus.yaml"
    config.write_text(yaml.safe_dump({"scrape_configs": [rest | {"static_configs": found}]}))
    told = _told(config, job["job_name"], len(found))
    return {
        Target(
            labels["pod"], int(labels["instance"].split(":")[1]), labels["job"], labels["namespace"]
        )
        for labels in (each["labels"] for each in told)
        if labels
    }


def _told(config: Path, job: str, count: int) -> list[dict[str, Any]]:
    """What Prometheus's tool makes of so many targets; those that it drops have no labels."""
    # It listens for so long whether more comes, and has a file's targets at once.
    for patience in ("200ms", "5s"):
        ran = promtool("check", "service-discovery", f"--timeout={patience}", str(config), job)
        assert ran.returncode == 0, ran.stderr
        told: list[dict[str, Any]] = json.loads(ran.stdout) or []
        if len(told) == count:
            return told
    raise AssertionError(f"expected {count} targets, got {told}")


def _meta(pod: Pod, port: str, number: int) -> dict[str, str]:
    """What Prometheus's search for pods tells of a port of one: prometheus.io/docs, role pod."""
    told = {"namespace": pod.namespace, "pod_name": pod.name, "pod_container_port_name": port,
            "pod_container_port_number": str(number)}  # fmt: skip
    for name, value in pod.labels.items():
        told[f"pod_label_{''.join(c if c.isalnum() else '_' for c in name)}"] = value
    return {f"__meta_kubernetes_{name}": value for name, value in told.items()}


def with_processes(pod: Pod, count: int) -> Pod:
    """A pod whose API runs in several processes, each with its page's port declared."""
    main = pod.main
    first = pod.ports["metrics"]
    more = [
        {"name": f"metrics-{n + 1}", "containerPort": first + n} for n in range(1, count)
    ]  # fmt: skip
    changed = main | {
        "args": [*main["args"], f"--processes={count}"],
        "ports": [*main["ports"], *more],
    }
    return replace(pod, spec=pod.spec | {"containers": [changed]})
