"""The contract's machine on real stores: the embedded one, and Firestore, Pub/Sub and storage.

Documents, files and messages are the store's. The clock is the machine's: a store's own time is not
what a decision sees, and a message that is due by it is waited for where the store is slower.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from hypothesis import seed, settings
from hypothesis.stateful import run_state_machine_as_test

from pawfect.contract.errors import QueueAction
from pawfect_service.jobs.contract import Document, JobContract
from pawfect_service.jobs.message import JobMessage, read_message
from pawfect_service.stores import make_queue, open_stores
from pawfect_service.stores.base import Change, Delivery, Stores
from tests.service.machine.driven_worker import SID, Message
from tests.service.machine.test_contract_machine import ContractMachine, bounded
from tests.service.machine.world import World

T = TypeVar("T")

# How many runs: a few on the embedded store each time, and as many as the environment says where
# all is run. The shares run side by side, each on a queue of its own: the Pub/Sub emulator takes
# two to three seconds for each delivery of a message after its second.
RUNS, SHARES = int(os.environ.get("PAWFECT_STORE_RUNS", "200")), 8
FEW = 8
STEPS = 6
# By the machine's clock a message is due at once: the store's own backoff is next to none.
AT_ONCE = JobContract(backoff_min_s=0.001, backoff_max_s=0.001, deliveries=10**9)
MESSAGES = 100
REDELIVERED_S = 60.0
QUIET_S = {"embedded": 0.5, "google": 3.0}


@dataclass
class StoredWorld(World):
    """A world whose document, files and messages lie in a store."""

    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    place: Place | None = None
    uid: str = "u"

    @property
    def opened(self) -> Stores:
        assert self.place
        return self.place.stores

    def run(self, call: Awaitable[T]) -> T:
        return self.loop.run_until_complete(call)

    def read(self) -> Document | None:
        return self.run(self.opened.documents.get(self.uid, SID))

    def write(self, document: Document | None) -> None:
        if document is None:
            self.run(self.opened.documents.delete(self.uid, SID))
        else:
            self.transact(lambda *_: Change(document))

    def transact(self, decide: Any) -> Any:
        def at_the_scripts_time(document: Document | None, now: float) -> Change:
            assert now > 1e9
            return decide(document, self.now)  # type: ignore[no-any-return]

        return self.run(self.opened.documents.update(self.uid, SID, at_the_scripts_time))

    def put(self, path: str, data: bytes) -> None:
        self.run(self.opened.files.put({self.own(path): data}))

    def copy(self, source: str, target: str) -> bool:
        try:
            self.run(self.opened.files.copy(self.own(source), self.own(target)))
        except FileNotFoundError:
            return False
        return True

    def get(self, path: str) -> bytes | None:
        try:
            return self.run(self.opened.files.get(self.own(path)))
        except FileNotFoundError:
            return None

    def list(self, folder: str) -> list[str]:
        found = self.run(self.opened.files.list(self.own(folder)))
        return [path.replace(f"users/{self.uid}/", "users/u/", 1) for path in found]

    def delete(self, path: str) -> None:
        self.run(self.opened.files.delete(self.own(path)))

    def publish(self, job: str) -> None:
        message = Message(job, self.now, name=uuid.uuid4().hex)
        body = JobMessage(self.uid, SID, job).to_bytes()
        self.run(self.opened.queue.publish(body, {"name": message.name}))
        self.messages.append(message)

    def take(self, message: Message) -> None:
        assert self.place
        delivery = self.run(self.place.next_of(message.name))
        assert read_message(delivery.data) == JobMessage(self.uid, SID, message.job)

    def answer(self, message: Message, action: QueueAction) -> None:
        assert self.place
        self.run(self.place.answer(message.name, action))

    def own(self, path: str) -> str:
        """Return a path of the world as one of this run alone."""
        return path.replace("users/u/", f"users/{self.uid}/", 1)


@dataclass
class Place:
    """A store and what its queue has delivered.

    Attributes:
        stores: opened in this event loop.
        deliveries: of its queue, one iterator for all runs.
        arrived: deliveries by the message's name, not yet in a worker's hands.
        taken: those that are.
        done: names of messages that were acknowledged.
    """

    stores: Stores
    deliveries: AsyncIterator[Delivery]
    arrived: dict[str, Delivery] = field(default_factory=dict)
    taken: dict[str, Delivery] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)

    async def next_of(self, name: str) -> Delivery:
        """Return a message's next delivery; one that is out comes again as after a lost lease."""
        if name in self.taken:
            await self.stores.queue.nack(self.taken.pop(name))
        async with asyncio.timeout(REDELIVERED_S):
            while name not in self.arrived:
                await self.arrival()
        self.taken[name] = self.arrived.pop(name)
        return self.taken[name]

    async def arrival(self) -> None:
        delivery = await anext(self.deliveries)
        name = delivery.attributes["name"]
        assert name not in self.done, "delivered after it was acknowledged"
        self.arrived[name] = delivery

    async def answer(self, name: str, action: QueueAction) -> None:
        delivery = self.taken.pop(name)
        if action is QueueAction.ACK:
            await self.stores.queue.ack(delivery)
            self.done.add(name)
        else:
            await self.stores.queue.nack(delivery)

    async def nothing_left(self, quiet_s: float) -> None:
        """Assert that the queue has no message any more."""
        assert not self.arrived
        assert not self.taken
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(quiet_s):
                await self.arrival()


class StoredMachine(ContractMachine):
    """The machine over a store."""

    def __init__(self, loop: asyncio.AbstractEventLoop, place: Place) -> None:
        self._place = loop, place
        super().__init__()

    def make(self) -> World:
        loop, place = self._place
        return StoredWorld(loop=loop, place=place, uid=f"u-{uuid.uuid4().hex}")


@contextmanager
def opened_place(url: str) -> Iterator[tuple[asyncio.AbstractEventLoop, Place]]:
    """A store in an event loop of its own; at the end nothing is left in its queue."""
    loop = asyncio.new_event_loop()

    async def opened() -> Place:
        make_queue(url, AT_ONCE)
        stores = open_stores(url, AT_ONCE)
        return Place(stores, stores.queue.deliveries(MESSAGES))

    place = loop.run_until_complete(opened())
    try:
        yield loop, place
        loop.run_until_complete(place.nothing_left(QUIET_S[url.partition(":")[0]]))
    finally:
        loop.run_until_complete(cast("Any", place.deliveries).aclose())
        loop.run_until_complete(place.stores.close())
        loop.close()


def run_share(url: str, number: int, runs: int) -> int:
    """Run a share of the runs on a queue of its own; return how many there were."""
    count = 0
    with opened_place(url) as (loop, place):

        @seed(number)
        class Machine(StoredMachine):
            def __init__(self) -> None:
                nonlocal count
                super().__init__(loop, place)
                count += 1

        run_state_machine_as_test(
            Machine, settings=settings(bounded(runs, STEPS), derandomize=False)
        )
    return count


@pytest.fixture(params=["embedded", "google"])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    if request.param == "embedded":
        return [f"embedded:{tmp_path / str(number)}" for number in range(SHARES)]
    place = request.getfixturevalue("on_google")
    return [f"{place}/jobs-{uuid.uuid4().hex}" for _ in range(SHARES)]


def test_a_few_orders_of_rules_end_within_the_contract_on_a_store(tmp_path: Path) -> None:
    assert run_share(f"embedded:{tmp_path}", 0, FEW) >= FEW


@pytest.mark.slow
def test_any_order_of_rules_ends_within_the_contract_on_a_store(urls: list[str]) -> None:
    # Not threads: CPython 3.11 may fail where two of them parse source, as hypothesis does.
    with ProcessPoolExecutor(SHARES, get_context("spawn")) as processes:
        counts = processes.map(run_share, urls, range(SHARES), [RUNS // SHARES] * SHARES)
        assert sum(counts) >= RUNS
