"""What the embedded store alone must do: several processes, dying ones, clocks that are changed."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from types import SimpleNamespace

import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_service.jobs.contract import Document, JobContract
from pawfect_service.stores import open_stores
from pawfect_service.stores.base import Change, Stores
from pawfect_service.stores.embedded import clock
from tests.service.conftest import CONTRACT

# A process that counts a document up, takes messages until it has seen its share of time, and
# prints what it took.
CHILD = """
import asyncio, sys
from pawfect_service.stores import open_stores
from pawfect_service.stores.base import Change
from pawfect_service.jobs.contract import JobContract

def count(document, now):
    return Change({"count": (document or {"count": 0})["count"] + 1})

async def main():
    stores = open_stores("embedded:" + sys.argv[1], JobContract())
    for _ in range(25):
        await stores.documents.update("u", "s", count)
    print("ready", flush=True)
    async for delivery in stores.queue.deliveries(1):
        print(delivery.data.decode(), flush=True)
        await stores.queue.ack(delivery)
        if delivery.data == b"stop":
            break
    await stores.close()

asyncio.run(main())
"""


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[Stores]:
    stores = open_stores(f"embedded:{tmp_path}", CONTRACT)
    yield stores
    await stores.close()


def child(folder: Path, code: str = CHILD) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True
    )


async def test_processes_share_one_file_and_take_each_message_once(tmp_path: Path) -> None:
    children = [child(tmp_path) for _ in range(2)]
    try:
        for process in children:
            assert process.stdout
            assert await asyncio.to_thread(process.stdout.readline) == "ready\n"
        stores = open_stores(f"embedded:{tmp_path}", CONTRACT)
        assert await stores.documents.get("u", "s") == {"count": 50}
        for n in range(20):
            await stores.queue.publish(str(n).encode(), {})
        for _ in children:
            await stores.queue.publish(b"stop", {})
        outputs = [await asyncio.to_thread(process.communicate) for process in children]
        taken = [line for output, _ in outputs for line in output.split()]
        assert sorted(taken) == sorted([str(n) for n in range(20)] + ["stop"] * 2)
        await stores.close()
    finally:
        for process in children:
            process.kill()
            process.wait()


async def test_a_process_killed_in_a_transaction_leaves_nothing_of_it(tmp_path: Path) -> None:
    code = """
import asyncio, os, signal, sys
from pawfect_service.stores import open_stores
from pawfect_service.stores.base import Change
from pawfect_service.jobs.contract import JobContract

def dies(connection, now):
    connection.execute("UPDATE messages SET data = 'half'")
    os.kill(os.getpid(), signal.SIGKILL)

async def main():
    stores = open_stores("embedded:" + sys.argv[1], JobContract())
    await stores.queue.publish(b"whole", {})
    await stores.queue._database.write(dies)

asyncio.run(main())
"""
    process = child(tmp_path, code)
    await asyncio.to_thread(process.communicate)
    assert process.returncode == -signal.SIGKILL
    stores = open_stores(f"embedded:{tmp_path}", CONTRACT)
    async with aclosing(stores.queue.deliveries(2)) as deliveries:
        delivery = await asyncio.wait_for(anext(deliveries), 5)
        assert delivery.data == b"whole"
        await stores.queue.ack(delivery)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(deliveries), 0.3)
    await stores.close()


async def test_a_message_wakes_a_worker_of_another_process_soon(tmp_path: Path) -> None:
    here, there = (open_stores(f"embedded:{tmp_path}", CONTRACT) for _ in range(2))
    async with aclosing(there.queue.deliveries(1)) as deliveries:
        waiting = asyncio.ensure_future(anext(deliveries))
        await asyncio.sleep(0.2)
        start = time.monotonic()
        await here.queue.publish(b"job", {})
        await there.queue.ack(await asyncio.wait_for(waiting, 5))
        assert time.monotonic() - start < 1.0
    for stores in (here, there):
        await stores.close()


async def test_a_nack_waits_for_its_backoff_and_a_lost_delivery_for_its_lease(
    embedded: Stores,
) -> None:
    await embedded.queue.publish(b"job", {})
    async with aclosing(embedded.queue.deliveries(4)) as deliveries:
        first = await anext(deliveries)
        for backoff_s in (0.2, 0.4, 0.4):
            await embedded.queue.nack(first)
            start = time.monotonic()
            first = await anext(deliveries)
            assert backoff_s <= time.monotonic() - start + 0.01
        start = time.monotonic()
        await embedded.queue.extend(first, 0.9)
        second = await anext(deliveries)
        assert time.monotonic() - start >= 0.89
        # The first one's time is over: its answers change nothing.
        await embedded.queue.nack(first)
        await embedded.queue.ack(second)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(deliveries), 0.8)


async def test_a_cancelled_wait_takes_no_message_with_it(tmp_path: Path) -> None:
    stores = open_stores(f"embedded:{tmp_path}", JobContract())
    for n in range(20):
        waiting = asyncio.ensure_future(anext(stores.queue.deliveries(1)))
        await asyncio.sleep(0.0005 * n)
        await stores.queue.publish(b"job", {})
        await asyncio.sleep(0.0005 * (20 - n))
        taken = not waiting.cancel()
        try:
            delivery = await waiting
        except asyncio.CancelledError:
            assert not taken
            async with aclosing(stores.queue.deliveries(1)) as deliveries:
                delivery = await asyncio.wait_for(anext(deliveries), 5)
        await stores.queue.ack(delivery)
    await stores.close()


async def test_a_body_that_is_no_json_is_a_document_without_fields(
    embedded: Stores, tmp_path: Path
) -> None:
    await embedded.documents.update("u", "s", lambda *_: Change({"a": 1}))
    for body in ("{", "[1]", "", "7"):
        with sqlite3.connect(tmp_path / "sessions.sqlite3") as connection:
            connection.execute("UPDATE documents SET body = ?", (body,))
        connection.close()
        assert await embedded.documents.get("u", "s") == {}


async def test_what_is_only_called_like_a_run_takes_no_place_in_a_page(embedded: Stores) -> None:
    def of(created: float) -> Change:
        return Change({"createdAt": created})

    run = f"run-{'0a' * 16}-0001"
    await embedded.documents.update("u", run, lambda *_: of(1.0))
    for number, name in enumerate(("run-a-0001", f"run-{'0A' * 16}-0001", f"{run}-0001")):
        await embedded.documents.update("u", name, lambda *_, at=2.0 + number: of(at))
    assert [mark.sid for mark in await embedded.documents.newest_runs("u", 1)] == [run]


async def test_a_file_that_is_no_database_is_unavailable(embedded: Stores) -> None:

    def breaks(connection: sqlite3.Connection, now: float) -> None:
        connection.execute("SELECT * FROM no_such_table")

    with pytest.raises(PawfectError) as caught:
        await embedded.queue._database.write(breaks)  # type: ignore[attr-defined]
    assert caught.value.kind is ErrorKind.UNAVAILABLE


# --- clocks ---------------------------------------------------------------------------------------


class Machine:
    """A machine whose clocks a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall, self.steady, self.boot = 2e9, 100.0, "boot-1"
        monkeypatch.setattr(clock, "time", SimpleNamespace(time=lambda: self.wall))
        monkeypatch.setattr(clock, "steady_s", lambda: self.steady)
        monkeypatch.setattr(clock, "boot_id", lambda: self.boot)

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


async def time_of(stores: Stores) -> float:
    def now(document: Document | None, now: float) -> Change:
        return Change(None, now)

    return float(await stores.documents.update("u", "s", now))


@pytest.mark.parametrize("jump", [-1e6, -30.0, 30.0, 1e6])
async def test_setting_the_systems_time_moves_neither_clock_nor_messages(
    machine: Machine, tmp_path: Path, jump: float
) -> None:
    stores = open_stores(f"embedded:{tmp_path}", JobContract())
    await stores.queue.publish(b"job", {})
    async with aclosing(stores.queue.deliveries(3)) as deliveries:
        held = await anext(deliveries)
        machine.wall += jump
        machine.passes(10)
        later = open_stores(
            f"embedded:{tmp_path}", JobContract()
        )  # another process that starts after the jump
        assert [await time_of(stores), await time_of(later)] == [2e9 + 10] * 2
        async with aclosing(later.queue.deliveries(1)) as others:
            with pytest.raises(TimeoutError):  # not doubled: its lease of 30 s is not over
                await asyncio.wait_for(anext(others), 0.3)
        await stores.queue.nack(held)
        machine.passes(1.01)
        again = await asyncio.wait_for(anext(deliveries), 5)  # nor lost: its backoff is 1 s
        await stores.queue.ack(again)
        await later.close()
    await stores.close()


@pytest.mark.parametrize(("wall", "expected"), [(1e9, 2e9 + 50), (2e9 + 500, 2e9 + 500)])
async def test_over_a_restart_of_the_machine_the_clock_does_not_go_back(
    machine: Machine, tmp_path: Path, wall: float, expected: float
) -> None:
    stores = open_stores(f"embedded:{tmp_path}", JobContract())
    machine.passes(50)
    await time_of(stores)
    await stores.close()
    machine.wall, machine.steady, machine.boot = wall, 5.0, "boot-2"
    stores = open_stores(f"embedded:{tmp_path}", JobContract())
    machine.passes(1)
    assert await time_of(stores) == expected + 1
    await stores.close()
