"""Cloud Run's files as the tests read them: their placeholders filled, their options parsed."""

from __future__ import annotations

import re
from string import Template
from typing import Any

import yaml

from harness.container.image import CONTEXT
from pawfect.profile import load_profile
from pawfect_service.jobs.contract import JobContract
from tests.deploy.command_lines import entrypoint_of
from tests.deploy.command_lines import parsed as read_options

FOLDER = CONTEXT / "deploy/cloudrun"
CONTRACT = JobContract()
L4 = load_profile("l4")


def placeholders() -> dict[str, str]:
    lines = (FOLDER / "placeholders.env").read_text().splitlines()
    pairs = (line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return dict(pairs)  # type: ignore[arg-type]


def document(name: str) -> dict[str, Any]:
    text = (FOLDER / name).read_text()
    return yaml.safe_load(Template(text).substitute(placeholders()))


SERVICES = {name: document(f"{name}.yaml") for name in ("api", "worker", "server")}
PODS = {name: service["spec"]["template"]["spec"] for name, service in SERVICES.items()}
CONTAINERS = {name: pod["containers"][0] for name, pod in PODS.items()}
JOB = document("verify-weights.yaml")["spec"]["template"]["spec"]["template"]["spec"]
IMAGES = {
    placeholders()["SERVICE_IMAGE"]: "Dockerfile.service",
    placeholders()["SERVER_IMAGE"]: "Dockerfile.triton",
}


def scale(name: str) -> tuple[int, int]:
    annotations = SERVICES[name]["spec"]["template"]["metadata"]["annotations"]
    keys = ("autoscaling.knative.dev/minScale", "autoscaling.knative.dev/maxScale")
    return tuple(int(annotations[key]) for key in keys)  # type: ignore[return-value]


def parsed(container: dict[str, Any], **environment: str) -> dict[str, Any]:
    """The options that the real command reads from what runs."""
    entrypoint = container.get("command", entrypoint_of(IMAGES[container["image"]]))
    return read_options([*entrypoint, *container["args"]], environment)


def given(name: str) -> dict[str, Any]:
    """A service's options, with the variables that the platform and the file set."""
    container = CONTAINERS[name]
    own = {row["name"]: row["value"] for row in container.get("env", [])}
    port = str(container["ports"][0]["containerPort"])
    return parsed(container, PORT=port, **own)


def gib(container: dict[str, Any]) -> float:
    amount, unit = re.fullmatch(
        r"(\d+)(Gi|Mi)", container["resources"]["limits"]["memory"]
    ).groups()  # type: ignore[union-attr]
    return int(amount) / (1 if unit == "Gi" else 1024)
