"""One SQLite file that several processes share, off the event loop, and word of its changes."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_service.stores.embedded.clock import SCHEMA as CLOCK_SCHEMA
from pawfect_service.stores.embedded.clock import Clock

T = TypeVar("T")
Work = Callable[[sqlite3.Connection, float], T]

# How long a transaction waits for another process's.
_BUSY_S: Final = 30.0
# How soon a change by another process is seen: one reading of one number each time.
POLL_S: Final = 0.05


@dataclass(frozen=True)
class _Waiting:
    work: Work[Any]
    outcome: Future[Any] = field(default_factory=Future)


class Database:
    """A SQLite database in WAL mode; every method but the constructor is for one event loop.

    Args:
        path: its file, on a disk of this machine (WAL needs memory that processes share).
        schema: SQL that makes the tables where they are missing.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self._writer = ThreadPoolExecutor(1, "sessions-write")
        self._reader = ThreadPoolExecutor(1, "sessions-read")
        self._waiting: deque[_Waiting] = deque()
        self._write = self._writer.submit(_connect, path).result()
        try:
            self.clock = self._writer.submit(self._open, schema).result()
            self._read = self._reader.submit(_connect, path).result()
        except BaseException:
            self._write.close()
            raise
        self.changes = Changes(self._data_version)

    def _open(self, schema: str) -> Clock:
        for statement in (CLOCK_SCHEMA + schema).split(";"):
            self._write.execute(statement)
        with _transaction(self._write):
            return Clock(self._write)

    async def write(self, work: Work[T]) -> T:
        """Run `work(connection, now)` alone among all processes; it counts whole or not at all.

        What waits while the disk is busy is committed together, in the order in which it came: a
        commit takes the disk as long for fifty as for one, and none of them is told before it.

        Raises:
            PawfectError: UNAVAILABLE where the file cannot be read or written now.
        """
        waiting = _Waiting(work)
        self._waiting.append(waiting)
        self._writer.submit(self._commit_waiting)
        try:
            result: T = await asyncio.wrap_future(waiting.outcome)
        except sqlite3.Error as error:
            raise _unavailable(error) from error
        self.changes.seen()
        return result

    async def run(self, sql: str, **values: object) -> None:
        """Run one statement as `write` does; `:now` in it is the clock."""

        def work(connection: sqlite3.Connection, now: float) -> None:
            connection.execute(sql, {**values, "now": now})

        await self.write(work)

    def _commit_waiting(self) -> None:
        """Commit all works that wait; a later call may then find none left."""
        waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
        batch = [each for each in waiting if each.outcome.set_running_or_notify_cancel()]
        if not batch:
            return
        try:
            with _transaction(self._write):
                results = [self._apart(each.work) for each in batch]
                self.clock.remember(self._write, self.clock.now())
        except BaseException as error:  # noqa: BLE001 - all of them hear of it
            results = [error] * len(batch)
        for each, result in zip(batch, results, strict=True):
            if isinstance(result, BaseException):
                each.outcome.set_exception(result)
            else:
                each.outcome.set_result(result)

    def _apart(self, work: Work[Any]) -> Any:
        """Return a work's result, or the exception after which nothing of it is left."""
        self._write.execute("SAVEPOINT work")
        try:
            return work(self._write, self.clock.now())
        except Exception as error:  # noqa: BLE001 - raised again where it was called
            self._write.execute("ROLLBACK TO work")
            return error
        finally:
            self._write.execute("RELEASE work")

    async def read(self, work: Work[T]) -> T:
        """Run `work(connection, now)` over what is committed; it writes nothing."""
        return await _off_loop(self._reader, lambda: work(self._read, self.clock.now()))

    async def _data_version(self) -> int:
        row = await self.read(lambda read, _: read.execute("PRAGMA data_version").fetchone())
        return int(row[0])

    async def scrub(self) -> None:
        """Leave no old copy of a row in the log of what was written.

        Readers of other processes are waited for; where they do not end, the log is emptied by
        whoever comes to its end next.
        """
        await _off_loop(
            self._writer, lambda: self._write.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        )

    async def close(self) -> None:
        """Close the file and end the threads."""
        await self.changes.close()
        await _off_loop(self._reader, self._read.close)
        await _off_loop(self._writer, self._write.close)
        self._reader.shutdown()
        self._writer.shutdown()


def _connect(path: Path) -> sqlite3.Connection:
    # Each connection has its own thread, but is opened and closed for it too.
    connection = sqlite3.connect(
        path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
    )
    end = time.monotonic() + _BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # A commit is on the disk before it is told.
            connection.execute("PRAGMA synchronous = FULL")
            # What is deleted, or written anew, is overwritten: it is people's. An update of a
            # document writes as many pages with it as without (3, 10 and 60 kB measured).
            connection.execute("PRAGMA secure_delete = ON")
            return connection
        except sqlite3.OperationalError:
            # The change to WAL does not wait for others by itself.
            if time.monotonic() > end:
                connection.close()
                raise
            time.sleep(0.01)


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


async def _off_loop(executor: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    try:
        return await asyncio.get_running_loop().run_in_executor(executor, work)
    except sqlite3.Error as error:
        raise _unavailable(error) from error


def _unavailable(error: sqlite3.Error) -> PawfectError:
    return PawfectError(ErrorKind.UNAVAILABLE, f"store: {error}")


class Changes:
    """Wakes those who wait for a change of the database, by this process or another.

    Args:
        version: reads a number that differs after each change of another connection.
    """

    def __init__(self, version: Callable[[], Awaitable[int]]) -> None:
        self._version = version
        self._count = 0
        self._last: int | None = None
        self._changed: asyncio.Event | None = None
        self._poller: asyncio.Task[None] | None = None

    @property
    def count(self) -> int:
        """Changes seen so far; take it before you read what you then wait to change."""
        return self._count

    def seen(self) -> None:
        """Something has changed."""
        self._count += 1
        if self._changed:
            self._changed.set()
            self._changed = None

    async def after(self, count: int, within_s: float | None = None) -> None:
        """Return once there are more changes than `count`, or after `within_s`."""
        if self._count != count:
            return
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        self._changed = self._changed or asyncio.Event()
        # Python 3.11's wait_for loses a cancellation that comes together with the change.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._changed.wait()

    async def _poll(self) -> None:
        """Look as long as anybody waits."""
        while self._changed:
            with contextlib.suppress(PawfectError):
                found = await self._version()
                if found != self._last:
                    self._last = found
                    self.seen()
            await asyncio.sleep(POLL_S)

    async def close(self) -> None:
        """Stop looking."""
        if self._poller and not self._poller.done():
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)
