"""The stores under test: the embedded one, and Google's on emulators that the suite starts."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from harness import emulators
from pawfect_sessions.contract import JobContract
from pawfect_sessions.stores import open_stores
from pawfect_sessions.stores.base import Stores
from tests.conftest import need_emulators

# Short, so that the tests are.
CONTRACT = JobContract(
    job_s=0.2,
    fill_s=0.2,
    lease_s=0.5,
    starts=1,
    publications=1,
    backoff_min_s=0.4,
    backoff_max_s=0.8,
    deliveries=8,
)


@pytest.fixture(scope="session")
def google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of the running emulators; without them skipped, but never in CI."""
    need_emulators()
    with emulators.all_running(tmp_path_factory.mktemp("emulators")) as environment:
        yield environment


Opened = Callable[[JobContract], Stores]


@pytest.fixture(params=["embedded", "google"])
async def opened(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Opened]:
    """Opens the store, as often as a test likes: each time as another process would."""
    url, topic = f"embedded:{tmp_path}", f"jobs-{uuid.uuid4().hex}"
    if request.param == "google":
        for name, value in request.getfixturevalue("google").items():
            monkeypatch.setenv(name, value)
        url = f"google:{emulators.PROJECT}/{emulators.BUCKET}/{topic}"
    every: list[Stores] = []

    def open_(contract: JobContract = CONTRACT) -> Stores:
        if request.param == "google" and not every:
            from pawfect_sessions.stores.google_topics import ensure_topics

            ensure_topics(emulators.PROJECT, topic, contract)
        every.append(open_stores(url, contract))
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
