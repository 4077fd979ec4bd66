"""The contract's scripts on a real store: the embedded one, and Firestore and storage emulated.

The clock goes on by the script: the time that a store gives a decision is moved on by an offset.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawfect_sessions.contract import JobContract
from pawfect_sessions.stores import open_stores
from pawfect_sessions.stores.base import Change, Document, Stores
from perf import emulators
from tests.sessions.test_contract_machine import ContractMachine, bounded, play
from tests.sessions.world import SID, World

RUNS = 200


@dataclass
class StoredWorld(World):
    """A world whose document and files lie in a store; its queue stays in memory."""

    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    stores: Stores | None = None
    uid: str = "u"

    @property
    def opened(self) -> Stores:
        assert self.stores
        return self.stores

    def read(self) -> Document | None:
        return self.loop.run_until_complete(self.opened.documents.get(self.uid, SID))

    def write(self, document: Document | None) -> None:
        if document is None:
            self.loop.run_until_complete(self.opened.documents.delete(self.uid, SID))
        else:
            self.transact(lambda *_: Change(document))

    def transact(self, decide: Any) -> Any:
        def at_the_scripts_time(document: Document | None, now: float) -> Change:
            assert now > 1e9
            return decide(document, self.now)  # type: ignore[no-any-return]

        update = self.opened.documents.update(self.uid, SID, at_the_scripts_time)
        return self.loop.run_until_complete(update)

    def put(self, path: str, data: bytes) -> None:
        self.loop.run_until_complete(self.opened.files.put(self.own(path), data, "image/jpeg"))

    def copy(self, source: str, target: str) -> bool:
        try:
            copy = self.opened.files.copy(self.own(source), self.own(target))
            self.loop.run_until_complete(copy)
        except FileNotFoundError:
            return False
        return True

    def get(self, path: str) -> bytes | None:
        try:
            return self.loop.run_until_complete(self.opened.files.get(self.own(path)))
        except FileNotFoundError:
            return None

    def delete(self, path: str) -> None:
        self.loop.run_until_complete(self.opened.files.delete(self.own(path)))

    def own(self, path: str) -> str:
        """Return a path of the world as one of this run alone."""
        return path.replace("users/u/", f"users/{self.uid}/", 1)


class StoredMachine(ContractMachine):
    """The machine over a store."""

    def __init__(self, loop: asyncio.AbstractEventLoop, stores: Stores) -> None:
        self._place = loop, stores
        super().__init__()

    def make(self) -> World:
        loop, stores = self._place
        return StoredWorld(loop=loop, stores=stores, uid=f"u-{uuid.uuid4().hex}")


@pytest.fixture(scope="module", params=["embedded", "google"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[asyncio.AbstractEventLoop, Stores]]:
    loop, contract = asyncio.new_event_loop(), JobContract()
    with pytest.MonkeyPatch.context() as patch:
        url = f"embedded:{tmp_path_factory.mktemp('store')}"
        if request.param == "google":
            for name, value in request.getfixturevalue("google").items():
                patch.setenv(name, value)
            url = f"google:{emulators.PROJECT}/{emulators.BUCKET}/unused"

        async def opened() -> Stores:
            return open_stores(url, contract)

        stores = loop.run_until_complete(opened())
        yield loop, stores
        loop.run_until_complete(stores.close())
        loop.close()


def test_any_script_ends_within_the_contract_on_a_store(
    place: tuple[asyncio.AbstractEventLoop, Stores],
) -> None:
    runs = 0

    @bounded(RUNS)
    @given(script=st.binary(min_size=16, max_size=40))
    def scripted(script: bytes) -> None:
        nonlocal runs
        play(StoredMachine(*place), script)
        runs += 1

    scripted()
    assert runs >= RUNS
