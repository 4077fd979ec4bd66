"""Cloud Run's files as the tests read them: their placeholders filled, their options parsed."""

from __future__ import annotations

import re
from string import Template
from typing import Any

import click
import pytest
import yaml

from harness.container.dockerfile import instructions
from harness.container.image import CONTEXT
from pawfect.cli import main
from pawfect.profile import load_profile
from pawfect_service.jobs.contract import JobContract

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


def words_of(container: dict[str, Any]) -> list[str]:
    """What runs: the image's entrypoint, or the command in its place, and the arguments."""
    text = (CONTEXT / IMAGES[container["image"]]).read_text()
    (entrypoint,) = (step for step in instructions(text) if step.name == "ENTRYPOINT")
    return [*container.get("command", entrypoint.words()), *container["args"]]


def parsed(container: dict[str, Any], **environment: str) -> dict[str, Any]:
    """The options that the real command reads from what runs."""
    program, *words = words_of(container)
    assert program == "pawfect"
    command, context = main, click.Context(main)
    while isinstance(command, click.Group):
        found = command.get_command(context, words.pop(0))
        assert found is not None
        command, context = found, click.Context(found)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return command.make_context(command.name, words).params


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
