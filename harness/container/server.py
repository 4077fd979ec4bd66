"""What Dockerfile.triton's steps made, tried: a server that fills a picture."""

from __future__ import annotations

import shlex
import socket
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import click
import httpx

from harness.container.image import CONTEXT, Image, StepError
from harness.local_server import free_ports
from harness.process import LoggedProcess
from pawfect.weights.store import ROOT_VARIABLE

DOCKERFILE: Final = "Dockerfile.triton"
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


def add_server(image: Image) -> None:
    """Install the wheel's server, in the place of the base image's."""
    python, lock = image.root / "opt/pawfect/bin/python", CONTEXT / "requirements/tritonserver.txt"
    command = [f"{image.root}/base/bin/python3", "-m", "pip", "--python", str(python), "install",
               "--quiet", "--no-deps", "-r", str(lock)]  # fmt: skip
    if subprocess.run(command, env=image.variables(), check=False).returncode:
        raise StepError("the stand-in for the base image's server could not be installed")
    image.notes.append("the base image's server is stood in for by the nvidia-pytriton wheel's")


def try_server(image: Image, profile: str) -> None:
    """Start the image's entrypoint, fill a picture, check its health, end it.

    Raises:
        StepError, ProcessError: any of it failed.
    """
    add_server(image)
    with TemporaryDirectory(prefix="pawfect-volume-") as weights:
        # As a volume is mounted: the profiles that build their weights put them there.
        Path(weights).chmod(0o1777)
        _try_serving(image, {"PAWFECT_PROFILE": profile, ROOT_VARIABLE: weights})


def _try_serving(image: Image, chosen: dict[str, str]) -> None:
    ports = dict(zip(("grpc", "http", "metrics", "health"), free_ports(4), strict=True))
    options = [word for name, port in ports.items() for word in (f"--{name}-port", str(port))]
    # Last wins: on a machine that is no container it listens to itself only.
    command = [*image.entrypoint, *image.command, "--host", "127.0.0.1", *options]
    click.echo(f"ENTRYPOINT {shlex.join(command)}")
    words = image.confined([image.program(command[0]), *command[1:]])
    log, environment = image.root / "serve.log", {**image.variables(), **chosen}
    with LoggedProcess(words, log, environment=environment) as served:
        served.wait_for(READY, timeout_s=READY_S)
        with socket.socket() as caller:
            if caller.connect_ex(("127.0.0.1", ports["http"])) == 0:
                raise StepError("HTTP: expected it to be off, got a connection")
        click.echo("HTTP: off")
        told = httpx.get(f"http://127.0.0.1:{ports['health']}/readyz", trust_env=False)
        if told.status_code != 200:
            raise StepError(f"/readyz: expected 200, got {told.status_code} {told.text}")
        click.echo("/readyz: ok")
        image.run(["python", "-c", _PICTURES], "a photo and a mask")
        url = f"127.0.0.1:{ports['grpc']}"
        filled = ["pawfect", "inpaint", "photo.png", "mask.png", "--out", "filled.png"]
        image.run([*filled, "--url", url], "a real inference")
        image.run(["python", "-c", _COMPARED], "the picture that came back")
        check = [word.replace("127.0.0.1:8001", url) for word in image.healthcheck]
        image.run(check, "HEALTHCHECK", **chosen)
        # Not --strict: weights are mounted in production, and missing here.
        probe = ["pawfect", "probe", "--url", url, "--timeout", "60"]
        click.echo(image.run(probe, "a probe of every model", **chosen).rstrip())
        code = served.stop()
    if code:
        raise StepError(f"STOPSIGNAL: expected it to end with 0, got {code}")
    click.echo("STOPSIGNAL: ended with 0")
