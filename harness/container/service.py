"""What Dockerfile.service's steps made, tried: API and worker, on the port they are told."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import click
import httpx

from harness.container.image import Image, StepError
from harness.local_server import free_ports
from harness.process import LoggedProcess

DOCKERFILE: Final = "Dockerfile.service"
LISTENS: Final = '"message": "listening"'
LISTENS_S: Final = 60.0
# What the image is to do without, by the names that are imported.
LEFT_OUT: Final = ("torch", "cv2", "numba", "onnxruntime", "tritonserver")
_IMPORTED: Final = f"""
from importlib.util import find_spec
print([name for name in {LEFT_OUT!r} if find_spec(name)])
"""


def try_service(image: Image) -> None:
    """Start API and worker as a platform would that sets PORT, ask how they are, end them.

    Raises:
        StepError, ProcessError: any of it failed.
    """
    found = image.run(["python", "-c", _IMPORTED], "what it is to do without").strip()
    if found != "[]":
        raise StepError(f"expected none of {', '.join(LEFT_OUT)} in the image, got {found}")
    made = image.run(["pawfect", "api", "--new-api-key", "me:u"], "a new key")
    (key,), (line,) = re.findall(r"shown once\): (\S+)", made), re.findall(r"keys: (.*)", made)
    keys = image.root / "desk" / "api-keys"
    keys.write_text(f"{line}\n")
    # Nothing answers there: what must not need a server is tried without one.
    (server,) = free_ports(1)
    common = ["--host", "127.0.0.1", "--triton", f"127.0.0.1:{server}"]
    with TemporaryDirectory(prefix="pawfect-volume-") as volume:
        # As a volume is mounted: whoever it runs as writes there, and nowhere else.
        Path(volume).chmod(0o1777)
        _try_both(image, key, keys, [*common, "--store", f"embedded:{volume}/store"])


def _try_both(image: Image, key: str, keys: Path, common: list[str]) -> None:
    with _listening(image, [*image.command, *common, "--api-keys", str(keys)]) as url:
        _expect(200, httpx.get(f"{url}/healthz", trust_env=False))
        _expect_page(httpx.get(f"{url}/", trust_env=False))
        _expect(503, httpx.get(f"{url}/readyz", trust_env=False, timeout=LISTENS_S))
        session = f"{url}/v1/users/u/sessions/s"
        _expect(401, httpx.get(session, trust_env=False))
        known = {"X-API-Key": key}
        _expect(404, httpx.get(session, headers=known, trust_env=False))
        image.run(image.healthcheck, "HEALTHCHECK", PORT=url.rpartition(":")[2])
    with _listening(image, ["worker", "--push", "--no-auth", *common]) as url:
        _expect(200, httpx.get(f"{url}/healthz", trust_env=False))
        _expect(400, httpx.post(f"{url}/v1/worker/push", json={}, trust_env=False))


@contextmanager
def _listening(image: Image, command: list[str]) -> Iterator[str]:
    """Run the entrypoint with a command on a PORT of its own; yield its URL; end it with 0."""
    (port,) = free_ports(1)
    words = [*image.entrypoint, *command]
    click.echo(f"PORT={port} ENTRYPOINT {shlex.join(words)}")
    log = image.root / f"{command[0]}.log"
    environment = {**image.variables(), "PORT": str(port)}
    program = image.confined([image.program(words[0]), *words[1:]])
    folder = image.root / "desk"
    with LoggedProcess(program, log, folder=folder, environment=environment) as process:
        process.wait_for(LISTENS, timeout_s=LISTENS_S)
        yield f"http://127.0.0.1:{port}"
        code = process.stop()
    if code:
        raise StepError(f"STOPSIGNAL: expected {command[0]} to end with 0, got {code}")
    click.echo(f"STOPSIGNAL: {command[0]} ended with 0")


def _expect(status: int, answer: httpx.Response) -> None:
    path = answer.request.url.path
    if answer.status_code != status:
        raise StepError(f"{path}: expected {status}, got {answer.status_code} {answer.text}")
    click.echo(f"{answer.request.method} {path}: {status}")


def _expect_page(answer: httpx.Response) -> None:
    """Look for the built page, and for its script under its own address."""
    _expect(200, answer)
    script = re.search(r"/assets/[\w.-]+\.js", answer.text)
    if script is None:
        raise StepError("/: expected the built page, got another")
    _expect(200, httpx.get(answer.request.url.join(script[0]), trust_env=False))
