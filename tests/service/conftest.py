"""The stores under test: the embedded one, and Google's on emulators that the suite starts."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from harness import emulators
from pawfect_service.jobs.contract import JobContract
from pawfect_service.jobs.kinds import KINDS
from pawfect_service.stores import make_queue, open_stores
from pawfect_service.stores.base import Stores
from tests.conftest import ServedProcess, free_ports, need_emulators
from tests.service.repeat import Repeat
from tests.service.stack import Stack, running

# Short, so that the tests are.
CONTRACT = JobContract(
    job_s=0.2,
    fill_s=0.2,
    lease_s=0.5,
    starts=1,
    publications=1,
    backoff_min_s=0.2,
    backoff_max_s=0.4,
    deliveries=9,
)


@pytest.fixture(scope="session")
def google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of the running emulators; without them skipped, but never in CI."""
    need_emulators()
    with emulators.all_running(tmp_path_factory.mktemp("emulators")) as environment:
        yield environment


@pytest.fixture
def on_google(google: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Point this process at the emulators; return the store's place there but for its topic."""
    for name, value in google.items():
        monkeypatch.setenv(name, value)
    return f"google:{emulators.PROJECT}/{emulators.BUCKET}"


Opened = Callable[[JobContract], Stores]


@pytest.fixture(params=["embedded", "google"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the store under test is, as commands take it."""
    if request.param == "google":
        return f"{request.getfixturevalue('on_google')}/jobs-{uuid.uuid4().hex}"
    return f"embedded:{tmp_path}"


@pytest.fixture
async def opened(store_url: str) -> AsyncIterator[Opened]:
    """Opens the store, as often as a test likes: each time as another process would."""
    every: list[Stores] = []

    def open_(contract: JobContract = CONTRACT) -> Stores:
        if not every:
            make_queue(store_url, contract)
        every.append(open_stores(store_url, contract))
        return every[-1]

    yield open_
    for stores in every:
        await stores.close()


@pytest.fixture
def stores(opened: Callable[[], Stores]) -> Stores:
    return opened()


@pytest.fixture
def uid() -> str:
    """A user of this test alone."""
    return f"u-{uuid.uuid4().hex}"


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Where sessions live."""
    return f"embedded:{tmp_path / 'data'}"


@pytest.fixture
def nowhere() -> str:
    """An address where no server listens."""
    return f"127.0.0.1:{free_ports(1)[0]}"


@pytest.fixture
async def repeat(monkeypatch: pytest.MonkeyPatch) -> Repeat:
    """A kind of job whose work needs no server."""
    monkeypatch.setitem(KINDS, Repeat.name, kind := Repeat())
    return kind


@pytest.fixture
async def stack(store: str, server: ServedProcess) -> AsyncIterator[Stack]:
    """API and store over the real server; no worker."""
    async with running(store, server.endpoints.grpc) as stack:
        yield stack


@pytest.fixture
async def alone(store: str, nowhere: str) -> AsyncIterator[Stack]:
    """API and store without a server: for what is decided before one is asked."""
    async with running(store, nowhere) as stack:
        yield stack
