"""The cluster's files as the tests read them: rendered by kubectl, their placeholders filled."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from string import Template
from typing import Any

import pytest
import yaml

from harness.container import server, service
from harness.container.image import CONTEXT
from tests.deploy.command_lines import entrypoint_of, parsed

FOLDER = CONTEXT / "deploy/kubernetes"
OVERLAYS = ("t4", "l4", "cpu", "staging")
CANARIES = ("t4/canary", "l4/canary", "cpu/canary")
PROFILES = {"t4": "t4", "l4": "l4", "cpu": "embedded", "staging": "t4"}
COMPONENT = "app.kubernetes.io/component"
Object = dict[str, Any]
# The quick one, where PyYAML was built with it.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def placeholders() -> dict[str, str]:
    lines = (FOLDER / "placeholders.env").read_text().splitlines()
    pairs = (line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return dict(pairs)  # type: ignore[arg-type]


def kubectl() -> str:
    """Where kubectl is; without it the test is skipped, and in CI it fails."""
    found = shutil.which("kubectl")
    if found is None:
        why = "no kubectl here: apt-get install kubernetes-client"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    return found


@cache
def rendered(overlay: str) -> str:
    """What kubectl makes of an overlay, as it stands in the repository."""
    command = [kubectl(), "kustomize", str(FOLDER / "overlays" / overlay)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@cache
def objects(overlay: str) -> tuple[Object, ...]:
    """The objects of an overlay; of a canary, with those of the overlay that it stands beside."""
    filled = Template(rendered(overlay)).safe_substitute(placeholders())
    own = tuple(one for one in yaml.load_all(filled, Loader=LOADER) if one)
    return (*own, *objects(overlay.split("/")[0])) if overlay in CANARIES else own


def of_kind(overlay: str, *kinds: str) -> list[Object]:
    return [one for one in objects(overlay) if one["kind"] in kinds]


def named(overlay: str, kind: str, name: str) -> Object:
    (found,) = (one for one in of_kind(overlay, kind) if one["metadata"]["name"] == name)
    return found


@dataclass(frozen=True)
class Pod:
    """A pod as a workload makes it.

    Attributes:
        name: of the workload.
        namespace: where.
        labels: its own.
        annotations: its own.
        spec: its.
    """

    name: str
    namespace: str
    labels: dict[str, str]
    annotations: dict[str, str]
    spec: Object

    @property
    def component(self) -> str:
        return self.labels[COMPONENT]

    @property
    def containers(self) -> list[Object]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def main(self) -> Object:
        (container,) = self.spec["containers"]
        return container

    @property
    def ports(self) -> dict[str, int]:
        """Port numbers by name."""
        return {p["name"]: p["containerPort"] for p in self.main.get("ports", [])}

    def environment(self, container: Object, overlay: str) -> dict[str, str]:
        """A container's variables, but for those from secrets."""
        found: dict[str, str] = {}
        for source in container.get("envFrom", []):
            found |= named(overlay, "ConfigMap", source["configMapRef"]["name"])["data"]
        return found | {v["name"]: v["value"] for v in container.get("env", []) if "value" in v}

    def options(self, container: Object, overlay: str) -> dict[str, Any]:
        """The options that the real command reads from what a container of ours runs."""
        variables = self.environment(container, overlay)
        ours = container["image"] in images(service.DOCKERFILE)
        dockerfile = service.DOCKERFILE if ours else server.DOCKERFILE
        command = container.get("command", entrypoint_of(dockerfile))
        words = [*command, *container.get("args", [])]
        # As the kubelet does with $(NAME).
        words = [re.sub(r"\$\((\w+)\)", lambda got: variables[got[1]], word) for word in words]
        return parsed(words, variables)


def pods(overlay: str) -> Iterator[Pod]:
    for one in of_kind(overlay, "Deployment", "DaemonSet", "StatefulSet", "Job"):
        template, meta = one["spec"]["template"], one["metadata"]
        own = template["metadata"]
        annotations = own.get("annotations", {})
        yield Pod(meta["name"], meta["namespace"], own["labels"], annotations, template["spec"])


def pod(overlay: str, name: str) -> Pod:
    (found,) = (one for one in pods(overlay) if one.name == name)
    return found


def images(dockerfile: str) -> set[str]:
    """The images that are built of a Dockerfile, by their placeholders."""
    kind = "SERVICE" if dockerfile == service.DOCKERFILE else "SERVER"
    return {value for name, value in placeholders().items() if name.endswith(f"{kind}_IMAGE")}


def selects(selector: Object, labels: dict[str, str]) -> bool:
    """Say whether a label selector selects these labels; an empty one selects all."""
    unknown = set(selector) - {"matchLabels", "matchExpressions"}
    assert not unknown, unknown
    wanted = selector.get("matchLabels", {})
    if any(labels.get(name) != value for name, value in wanted.items()):
        return False
    for rule in selector.get("matchExpressions", []):
        assert rule["operator"] == "In"
        if labels.get(rule["key"]) not in rule["values"]:
            return False
    return True


def amount(text: str) -> float:
    """A quantity of Kubernetes as a number: bytes, cores, or pieces."""
    number, unit = re.fullmatch(r"(\d+)(m|Ki|Mi|Gi)?", text).groups()  # type: ignore[union-attr]
    scale = {None: 1.0, "m": 1e-3, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}
    return int(number) * scale[unit]
