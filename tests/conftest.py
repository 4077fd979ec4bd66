"""What the whole suite shares: one real server, started as a user starts it, and tiny weights."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from harness.emulators import why_none
from harness.local_server import free_ports
from harness.process import PAWFECT, LoggedProcess
from pawfect.models import MODELS
from pawfect.profile import PROFILE_VARIABLE, Profile, load_profile
from pawfect.weights.lock import held
from pawfect.weights.store import ROOT_VARIABLE, Store, weights_root
from pawfect_export.fetch import fetch
from pawfect_export.progress import silent
from pawfect_triton.server import Endpoints
from tests.collector import Collector
from tests.image_server import KEY, ImageServer
from tests.judge_servers import KEY as JUDGE_KEY
from tests.judge_servers import GeminiServer, MoondreamServer

# What is imported and collected stays to the end: looking for garbage in it took 6 s of 20.
gc.disable()

# Two lanes share two cores: a thread each for torch and OpenMP, in what the tests start too.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A busy machine is no failure: examples have no deadline of their own, and are the same each run.
settings.register_profile(
    "suite", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")

# What `pawfect serve` prints when every model is ready.
READY = "ready: every model has answered"
# Models with weights, of profile `tiny`.
NEURAL = [name for name in load_profile("tiny").models if MODELS[name].weights]
# Lanes that start servers or emulators and mostly wait for them, by the tests' paths; beside them
# the CPU's work, file by file.
LANES = {
    "server": (
        "server/",
        "client/",
        "fuzz/test_grpc",
        "test_readme",
        "docs/",
    ),
    "service": (
        "service/",
        "web/",
        "perf/test_bench",
        "harness/",
        "deploy/",
        "perf/service/",
        "perf/audit/",
        "perf/test_demo",
        "fuzz/test_api",
    ),
}


class ServedProcess(LoggedProcess):
    """A `pawfect serve` on free ports."""

    def __init__(
        self, folder: Path, *options: str, profile: str = "embedded", **environment: str
    ) -> None:
        self.endpoints = Endpoints("127.0.0.1", *free_ports(3))
        ports = [f"--{name}-port={port}" for name, port in self.endpoints.ports.items()]
        own = {"PYTHONUNBUFFERED": "1", PROFILE_VARIABLE: profile}
        command = [PAWFECT, "serve", *ports, *options]
        super().__init__(command, folder / "serve.log", environment=os.environ | own | environment)


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


def pytest_collection_finish() -> None:
    """Look for garbage from here on, in what the tests make: some ask for it, a second each."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def remote_images() -> Iterator[ImageServer]:
    """The remote engine of the suite's server."""
    with ImageServer().serving() as images:
        yield images


@pytest.fixture(scope="session")
def gemini() -> Iterator[GeminiServer]:
    """What `score_gemini` of the suite's server asks."""
    with GeminiServer().serving() as judge:
        yield judge


@pytest.fixture(scope="session")
def moondream() -> Iterator[MoondreamServer]:
    """What `score_moondream` of the suite's server asks."""
    with MoondreamServer().serving() as judge:
        yield judge


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """Where the models of the suite's server send their spans."""
    with Collector().serving() as running:
        yield running


@pytest.fixture(scope="session")
def server(
    tmp_path_factory: pytest.TempPathFactory,
    remote_images: ImageServer,
    gemini: GeminiServer,
    moondream: MoondreamServer,
    collector: Collector,
) -> Iterator[ServedProcess]:
    """The suite's server: profile `embedded`, ready."""
    remote = {
        "PAWFECT_REMOTE_URL": remote_images.url,
        "PAWFECT_REMOTE_KEY": KEY,
        "PAWFECT_GEMINI_URL": gemini.url,
        "PAWFECT_GEMINI_KEY": JUDGE_KEY,
        "PAWFECT_MOONDREAM_URL": moondream.url,
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": collector.url,
        # Sent at once, not after 5 s.
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    with ServedProcess(tmp_path_factory.mktemp("server"), **remote) as running:
        running.wait_for(READY)
        yield running
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


def bring_networks(root: Path) -> None:
    """Put the networks that the set-up fetched into another weights' root, which verifies them."""
    for name in ("u2netp", "pp-ocrv6-small", "centerface"):
        here = weights_root() / name
        if here.is_dir() and not (root / name).is_dir():
            shutil.copytree(here, root / here.name)


@pytest.fixture(scope="session")
def tiny() -> Profile:
    return load_profile("tiny")


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory, tiny: Profile) -> Path:
    """All lanes' weights' root, with all entries of the tiny profile; not to be written to."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    root = root / "tiny_weights"
    root.mkdir(exist_ok=True)
    with held(root, "networks"):
        bring_networks(root)
    fetch(sorted(set(tiny.weights.values())), Store(root), no_hub, silent)
    return root


@pytest.fixture(scope="session")
def face_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights' root with `centerface` and, made of it, `tiny-faces`; not to be written to."""
    root = tmp_path_factory.mktemp("face-weights")
    shutil.copytree(
        Store(weights_root()).folder("centerface", mend="make network"), root / "centerface"
    )
    fetch(["tiny-faces"], Store(root), no_hub, silent)
    return root


@pytest.fixture
def in_tiny_weights(tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """PAWFECT_WEIGHTS names the tiny weights."""
    monkeypatch.setenv(ROOT_VARIABLE, str(tiny_weights))
    return tiny_weights
