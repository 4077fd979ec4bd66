"""Writes that wait share one commit: each still counts whole or not at all, and none is lost."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing

import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_service.stores.embedded.database import Database

SCHEMA = "CREATE TABLE IF NOT EXISTS numbers (number INTEGER PRIMARY KEY)"


@pytest.fixture
async def database(tmp_path):
    opened = Database(tmp_path / "numbers.sqlite3", SCHEMA)
    yield opened
    await opened.close()


def insert(number: int):
    def work(connection: sqlite3.Connection, now: float) -> int:
        connection.execute("INSERT INTO numbers VALUES (?)", (number,))
        return number

    return work


async def held(database: Database):
    """Occupy the writer; return what lets it go on and the write that waits for it."""
    begun, go_on = threading.Event(), threading.Event()

    def work(connection: sqlite3.Connection, now: float) -> None:
        begun.set()
        go_on.wait(30)

    blocking = asyncio.create_task(database.write(work))
    await asyncio.to_thread(begun.wait, 30)
    return go_on, blocking


def stored(path) -> list[int]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT number FROM numbers ORDER BY 1")]


async def test_writes_that_wait_share_a_commit_and_one_that_fails_harms_none_beside_it(
    database, tmp_path
):
    def half(connection: sqlite3.Connection, now: float) -> None:
        connection.execute("INSERT INTO numbers VALUES (100)")
        raise PawfectError(ErrorKind.INTERNAL, "in the middle")

    counted = []
    database._write.set_trace_callback(
        lambda statement: counted.append(statement) if statement == "COMMIT" else None
    )
    go_on, blocking = await held(database)
    works = [*map(insert, range(50)), half, insert(1), insert(200), insert(50)]
    waiting = [asyncio.create_task(database.write(work)) for work in works]
    await asyncio.sleep(0)
    waiting[-2].cancel()
    await asyncio.sleep(0)
    go_on.set()
    *numbers, failed, twice, cancelled, last = await asyncio.gather(
        *waiting, return_exceptions=True
    )
    await blocking
    assert [*numbers, last] == list(range(51))
    assert isinstance(failed, PawfectError)
    assert failed.kind is ErrorKind.INTERNAL
    # The same number twice: the second one's own failure.
    assert isinstance(twice, PawfectError)
    assert twice.kind is ErrorKind.UNAVAILABLE
    assert isinstance(cancelled, asyncio.CancelledError)
    assert stored(tmp_path / "numbers.sqlite3") == list(range(51))
    assert len(counted) == 2


async def test_what_is_told_is_on_the_disk_for_other_connections(database, tmp_path):
    async def written(number: int) -> bool:
        await database.write(insert(number))
        return number in await asyncio.to_thread(stored, tmp_path / "numbers.sqlite3")

    assert all(await asyncio.gather(*(written(number) for number in range(60))))


async def test_a_commit_that_fails_is_told_to_all_that_were_in_it(database, tmp_path):
    go_on, blocking = await held(database)
    waiting = [asyncio.create_task(database.write(insert(number))) for number in range(3)]
    await asyncio.sleep(0)

    def refuse(action: int, operation: str | None, *_: object) -> int:
        opens = action == sqlite3.SQLITE_SAVEPOINT and operation == "BEGIN"
        return sqlite3.SQLITE_DENY if opens else sqlite3.SQLITE_OK

    database._write.set_authorizer(refuse)
    go_on.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    await blocking
    assert all(isinstance(result, PawfectError) for result in results)
    database._write.set_authorizer(None)
    assert stored(tmp_path / "numbers.sqlite3") == []
    assert await database.write(insert(5)) == 5
