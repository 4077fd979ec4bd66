"""What the whole suite shares: one real server, started as a user starts it, and tiny weights."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from harness.emulators import why_none
from harness.local_server import free_ports
from pawfect.models import MODELS
from pawfect.profile import PROFILE_VARIABLE, Profile, load_profile
from pawfect.weights.store import ROOT_VARIABLE, Store
from pawfect_export.fetch import fetch
from pawfect_export.progress import silent
from pawfect_triton.server import Endpoints

# Two lanes share two cores: a thread each for torch and OpenMP, in what the tests start too.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A busy machine is no failure: examples have no deadline of their own, and are the same each run.
settings.register_profile(
    "suite", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")

START_S = 90
# What `pawfect serve` prints when it is.
READY = "ready: every model has answered"
# Models with weights.
NEURAL = [model.name for model in MODELS.values() if model.weights]
# Lanes that start servers or emulators and mostly wait for them, by the tests' paths; beside them
# the CPU's work, file by file.
LANES = {
    "server": (
        "server/",
        "client/",
        "perf/audit/",
        "perf/test_bench",
        "perf/test_demo",
        "test_readme",
    ),
    "service": ("service/", "harness/", "deploy/", "perf/service/"),
}
PAWFECT = str(Path(sys.executable).parent / "pawfect")


@dataclass
class ServedProcess:
    """A `pawfect serve` of its own process, and its output so far."""

    process: subprocess.Popen[bytes]
    endpoints: Endpoints
    log: Path

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, text: str, times: int = 1, timeout_s: float = START_S) -> float:
        """Return the seconds until the output has `text` so many times."""
        start = time.monotonic()
        while self.output().count(text) < times:
            ended = self.process.poll()
            if ended is not None or time.monotonic() - start > timeout_s:
                pytest.fail(f"no {times}x {text!r} (exit code {ended}) in:\n{self.output()}")
            time.sleep(0.05)
        return time.monotonic() - start

    def stop(self) -> int:
        """End it and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(90)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def serve(
    folder: Path, *options: str, profile: str = "embedded", **environment: str
) -> ServedProcess:
    """Start `pawfect serve` on free ports; the caller waits for it and stops it."""
    endpoints = Endpoints("127.0.0.1", *free_ports(3))
    log = folder / "serve.log"
    ports = [f"--{name}-port={port}" for name, port in endpoints.ports.items()]
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [PAWFECT, "serve", *ports, *options],
            stdout=sink,
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                "PYTHONUNBUFFERED": "1",
                PROFILE_VARIABLE: profile,
                **environment,
            },
        )
    return ServedProcess(process, endpoints, log)


def lane(nodeid: str) -> str:
    """Return the lane of a test, which is its file where no server is needed."""
    path = nodeid.split("::")[0].removeprefix("tests/")
    return next((name for name, starts in LANES.items() if path.startswith(starts)), path)


class LaneScheduling(LoadScopeScheduling):
    """Deals whole lanes to the workers of `pytest -n 2`."""

    def _split_scope(self, nodeid: str) -> str:
        return lane(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Replace xdist's own way of dealing tests out."""
    return LaneScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have the lanes of servers begin first: they are the longest."""
    items.sort(key=lambda item: [*LANES, lane(item.nodeid)].index(lane(item.nodeid)))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedProcess]:
    """The suite's server: profile `embedded`, ready."""
    running = serve(tmp_path_factory.mktemp("server"))
    try:
        running.wait_for(READY)
        yield running
    finally:
        running.stop()


def need_emulators() -> None:
    """Skip where Google's emulators are not installed, with the reason; in CI that is a failure."""
    if reason := why_none():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@pytest.fixture(scope="session")
def embedded():
    """The embedded profile."""
    return load_profile("embedded")


def no_hub():
    raise AssertionError("the tiny weights are built, not fetched")


@pytest.fixture(scope="session")
def tiny() -> Profile:
    return load_profile("tiny")


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory, tiny: Profile) -> Path:
    """The weights' root with all entries of the tiny profile; not to be written to."""
    root = tmp_path_factory.mktemp("weights")
    fetch(sorted(set(tiny.weights.values())), Store(root), no_hub, silent)
    return root


@pytest.fixture
def in_tiny_weights(tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """PAWFECT_WEIGHTS names the tiny weights."""
    monkeypatch.setenv(ROOT_VARIABLE, str(tiny_weights))
    return tiny_weights
