"""Run Dockerfile.triton's steps without Docker, then start its entrypoint and fill a picture.

    python -m harness.container.run_steps [--build-arg WITH_NEURAL=no] [--profile embedded]

What it does: a fresh folder stands for the image's root. COPY obeys .dockerignore; RUN runs in the
Dockerfile's shell with the image's variables and none of the caller's but pip's and the proxies';
the absolute paths that the Dockerfile makes are moved below the folder. Then the image's own
ENTRYPOINT and CMD start on free ports, HTTP must be off, one picture is filled through the
installed client, the HEALTHCHECK and a probe of every model run, and SIGTERM must end it with 0.

What it does not show: anything of the base image. Its place is taken by this machine's Python
(3.11 or 3.12) and by the server of the nvidia-pytriton wheel (requirements/tritonserver.txt), which
is older. USER is not applied (the steps run as whoever calls), nor are layers, limits, the GPU, or
the network's shape tried. `docker build` on a machine that has Docker remains the last word.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import shorten
from typing import Final

import click

from harness.container.dockerfile import (
    DockerfileError,
    Instruction,
    assignments,
    context_files,
    copied,
    expanded,
    instructions,
)
from harness.local_server import free_ports
from harness.process import LoggedProcess, ProcessError

CONTEXT: Final = Path(__file__).resolve().parents[2]
DOCKERFILE: Final = "Dockerfile.triton"
# Paths that steps may make; anything else a step writes to is the machine's own and refused.
MADE: Final = ("/opt/pawfect", "/src", "/weights")
# The caller's variables that a step may need to reach a package index.
PASSED_ON: Final = re.compile(r"PIP_.*|(HTTPS?|NO)_PROXY|(https?|no)_proxy|SSL_CERT_FILE")
READY: Final = "ready: every model has answered"
READY_S: Final = 180.0

_PICTURES: Final = """
import numpy as np
from PIL import Image
rows = np.random.default_rng(0).integers(60, 200, (96, 128, 3), np.uint8)
hole = np.zeros((96, 128), np.uint8)
hole[30:60, 40:80] = 255
Image.fromarray(rows).save("photo.png")
Image.fromarray(hole).save("mask.png")
"""
_COMPARED: Final = """
import numpy as np
from PIL import Image
before, after = (np.array(Image.open(name)) for name in ("photo.png", "filled.png"))
assert after.shape == before.shape, after.shape
assert np.array_equal(after[:10], before[:10]), "pixels far from the hole changed"
assert not np.array_equal(after[30:60, 40:80], before[30:60, 40:80]), "the hole was not filled"
"""


class StepError(RuntimeError):
    """A step that failed."""


@dataclass
class Image:
    """What the steps have made so far.

    Attributes:
        root: the folder that stands for `/`.
        args: build arguments by name.
        environment: of RUN steps and of the entrypoint.
        shell: of RUN steps.
        entrypoint: words.
        command: words.
        healthcheck: words.
        notes: what was not done, for people.
    """

    root: Path
    args: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    shell: list[str] = field(default_factory=lambda: ["/bin/sh", "-c"])
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def moved(self, text: str) -> str:
        """Return a text whose absolute paths that the image makes lie below its root."""
        for path in MADE:
            text = re.sub(rf"(?<![\w./-]){path}(?![\w-])", f"{self.root}{path}", text)
        return text

    def variables(self) -> dict[str, str]:
        """Return what a step's environment holds, its paths moved."""
        own = {name: self.moved(value) for name, value in self.environment.items()}
        passed = {name: value for name, value in os.environ.items() if PASSED_ON.fullmatch(name)}
        return {"HOME": str(self.root), "LANG": "C.UTF-8", **passed, **own}


def build(text: str, root: Path, given: Mapping[str, str]) -> Image:
    """Run the steps of a Dockerfile.

    Args:
        text: the Dockerfile's.
        root: an empty folder that stands for `/`.
        given: build arguments that replace the defaults.

    Raises:
        DockerfileError: an instruction that is not understood.
        StepError: a step failed.
    """
    base = root / "base" / "bin"
    base.mkdir(parents=True)
    # The interpreter itself, not a virtual environment's: the image has no other packages either.
    interpreter = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    (base / "python3").symlink_to(interpreter)
    image = Image(root, environment={"PATH": f"{base}:/usr/local/bin:/usr/bin:/bin"})
    for step in instructions(text):
        click.echo(f"{DOCKERFILE}:{step.line}  {step.name} {shorten(step.value, 90)}")
        if step.name == "ARG":
            name, _, default = step.value.partition("=")
            image.args[name] = given.get(name, default)
        else:
            _apply(step, image)
    unknown = sorted(set(given) - set(image.args))
    if unknown:
        raise DockerfileError(
            f"build arguments: expected some of {sorted(image.args)}, got {unknown}"
        )
    return image


def _apply(step: Instruction, image: Image) -> None:
    if step.name == "FROM":
        base = expanded(step.value, image.args)
        image.notes.append(f"{base} is stood in for by Python {sys.version.split()[0]} of here")
    elif step.name == "SHELL":
        image.shell = step.words()
    elif step.name == "ENV":
        image.environment |= assignments(step, {**image.args, **image.environment})
    elif step.name == "COPY":
        _copy(step, image)
    elif step.name == "RUN":
        _run(step, image)
    elif step.name == "WORKDIR":
        (image.root / step.value.lstrip("/")).mkdir(parents=True, exist_ok=True)
    elif step.name == "ENTRYPOINT":
        image.entrypoint = step.words()
    elif step.name == "CMD":
        image.command = step.words()
    elif step.name == "HEALTHCHECK":
        words = step.value.partition("CMD")[2].strip()
        image.healthcheck = Instruction(step.name, words, step.line).words()
    elif step.name == "USER":
        image.notes.append(f"USER {step.value} is not applied")
    elif step.name not in ("LABEL", "EXPOSE", "STOPSIGNAL"):
        raise DockerfileError(f"line {step.line}: {step.name} is not understood here")


def _copy(step: Instruction, image: Image) -> None:
    sources, destination = copied(step)
    into = image.root / destination.lstrip("/")
    for source in sources:
        for name in context_files(CONTEXT, source):
            whole = (CONTEXT / source).is_dir()
            inside = Path(name).relative_to(source) if whole else Path(name).name
            target = into / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(CONTEXT / name, target)


def _run(step: Instruction, image: Image) -> None:
    if re.search(r"\bapt(-get)?\b", step.value):
        image.notes.append(f"line {step.line}: a step that calls apt was skipped")
        return
    command, environment = [*image.shell, image.moved(step.value)], image.variables()
    ended = subprocess.run(command, cwd=image.root, env={**image.args, **environment}, check=False)
    if ended.returncode:
        raise StepError(f"line {step.line}: RUN ended with {ended.returncode}")


def add_server(image: Image) -> None:
    """Install the wheel's server, in the place of the base image's."""
    python, lock = image.root / "opt/pawfect/bin/python", CONTEXT / "requirements/tritonserver.txt"
    command = [f"{image.root}/base/bin/python3", "-m", "pip", "--python", str(python), "install",
               "--quiet", "--no-deps", "-r", str(lock)]  # fmt: skip
    if subprocess.run(command, env=image.variables(), check=False).returncode:
        raise StepError("the stand-in for the base image's server could not be installed")
    image.notes.append("the base image's server is stood in for by the nvidia-pytriton wheel's")


def try_out(image: Image, profile: str) -> None:
    """Start the image's entrypoint, fill a picture, check its health, end it.

    Raises:
        StepError, ProcessError: any of it failed.
    """
    environment = {**image.variables(), "PAWFECT_PROFILE": profile}
    ports = dict(zip(("grpc", "http", "metrics"), free_ports(3), strict=True))
    options = [word for name, port in ports.items() for word in (f"--{name}-port", str(port))]
    # Last wins: on a machine that is no container it listens to itself only.
    command = [*image.entrypoint, *image.command, "--host", "127.0.0.1", *options]
    click.echo(f"ENTRYPOINT {shlex.join(command)}")
    desk = image.root / "desk"
    desk.mkdir()

    def inside(words: list[str], what: str) -> None:
        found = shutil.which(words[0], path=environment["PATH"])
        if found is None or not found.startswith(str(image.root)):
            raise StepError(f"{what}: expected {words[0]} in the image, got {found}")
        if subprocess.run([found, *words[1:]], cwd=desk, env=environment, check=False).returncode:
            raise StepError(f"{what} failed")
        click.echo(f"{what}: ok")

    found = shutil.which(command[0], path=environment["PATH"]) or command[0]
    log = image.root / "serve.log"
    with LoggedProcess([found, *command[1:]], log, environment=environment) as served:
        served.wait_for(READY, timeout_s=READY_S)
        with socket.socket() as caller:
            if caller.connect_ex(("127.0.0.1", ports["http"])) == 0:
                raise StepError("HTTP: expected it to be off, got a connection")
        click.echo("HTTP: off")
        inside(["python", "-c", _PICTURES], "a photo and a mask")
        url = f"127.0.0.1:{ports['grpc']}"
        filled = ["pawfect", "inpaint", "photo.png", "mask.png", "--out", "filled.png"]
        inside([*filled, "--url", url], "a real inference")
        inside(["python", "-c", _COMPARED], "the picture that came back")
        check = [word.replace("127.0.0.1:8001", url) for word in image.healthcheck]
        inside(check, "HEALTHCHECK")
        # Not --strict: weights are mounted in production, and missing here.
        inside(["pawfect", "probe", "--url", url, "--timeout", "60"], "a probe of every model")
        code = served.stop()
    if code:
        raise StepError(f"STOPSIGNAL: expected it to end with 0, got {code}")
    click.echo("STOPSIGNAL: ended with 0")


@click.command()
@click.option("--build-arg", "given", multiple=True, metavar="NAME=VALUE")
@click.option("--profile", default="embedded", show_default=True)
def main(given: tuple[str, ...], profile: str) -> None:
    """Run the Dockerfile's steps and say what was and was not shown."""
    arguments = dict(item.split("=", 1) for item in given)
    with tempfile.TemporaryDirectory(prefix="pawfect-image-") as folder:
        try:
            image = build((CONTEXT / DOCKERFILE).read_text("utf-8"), Path(folder), arguments)
            add_server(image)
            try_out(image, profile)
        except (DockerfileError, StepError, ProcessError) as error:
            raise click.ClickException(f"{DOCKERFILE}: {error}") from None
    notes = "".join(f"\n- {note}" for note in image.notes)
    click.echo(f"every step ran, and what they made served a request. Not shown:{notes}")


if __name__ == "__main__":
    main()
