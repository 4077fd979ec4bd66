"""The queue of the embedded store: rows that are hidden while somebody has them."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pawfect.contract.errors import PawfectError
from pawfect_service.jobs.contract import JobContract
from pawfect_service.stores.base import DeadLetter, Delivery
from pawfect_service.stores.embedded.database import Database

_LOG: Final = logging.getLogger(__name__)

# Of a message's body; one that is no JSON is nobody's.
_TEXT: Final = "CAST(data AS TEXT)"
_OWNER: Final = f"CASE WHEN json_valid({_TEXT}) THEN json_extract({_TEXT}, '$.{{}}') END"
_TABLES: Final = ("messages", "dead_letters")
# Pause before a queue that cannot be read is read again.
_AWAY_S: Final = 1.0

# `receipt` is the delivery that has the message; an answer with another one is too late.
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS messages (
    id TEXT PRIMARY KEY, data BLOB NOT NULL, attributes TEXT NOT NULL, visible REAL NOT NULL,
    nacks INTEGER NOT NULL DEFAULT 0, deliveries INTEGER NOT NULL DEFAULT 0, receipt TEXT
);
CREATE INDEX IF NOT EXISTS messages_visible ON messages (visible);
CREATE TABLE IF NOT EXISTS dead_letters (
    id TEXT PRIMARY KEY, data BLOB NOT NULL, attributes TEXT NOT NULL, reason TEXT NOT NULL
);
"""


@dataclass(frozen=True)
class _Handle:
    receipt: str
    release: Callable[[], None]


class EmbeddedQueue:
    """`Queue` in a database.

    Args:
        database: with SCHEMA.
        contract: lease, backoff and most deliveries.
    """

    def __init__(self, database: Database, contract: JobContract) -> None:
        self._database = database
        self._contract = contract

    async def publish(self, data: bytes, attributes: Mapping[str, str]) -> str:
        """Queue a message and return its id, once it is on the disk."""
        name = uuid.uuid4().hex
        await self._database.run(
            "INSERT INTO messages (id, data, attributes, visible) VALUES (:id, :data, :text, :now)",
            id=name,
            data=data,
            text=json.dumps(dict(attributes)),
        )
        return name

    async def deliveries(self, at_most: int) -> AsyncIterator[Delivery]:
        """Yield messages, up to `at_most` unanswered at a time, until the iterator is closed."""
        room = asyncio.Semaphore(at_most)
        changes = self._database.changes
        while True:
            await room.acquire()
            delivery = None
            try:
                count = changes.count
                due = await self._database.read(_next_due)
                if due is not None and due <= 0:
                    delivery = await self._taken(room.release)
                else:
                    await changes.after(count, due)
            except PawfectError as error:
                _LOG.warning("queue: %s; trying again", error.message)
                await asyncio.sleep(_AWAY_S)
            if delivery:
                yield delivery
            else:
                room.release()

    async def _taken(self, release: Callable[[], None]) -> Delivery | None:
        """Take the message that is due longest; None where another process was faster."""
        receipt = uuid.uuid4().hex

        def work(connection: sqlite3.Connection, now: float) -> Delivery | None:
            return self._take(connection, now, _Handle(receipt, release))

        taking = asyncio.ensure_future(self._database.write(work))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            # Taken for nobody: it is there for the others at once.
            if delivery := await taking:
                await self.extend(delivery, 0.0)
            raise

    def _take(self, connection: sqlite3.Connection, now: float, handle: _Handle) -> Delivery | None:
        found = connection.execute(
            "SELECT id, data, attributes, deliveries FROM messages WHERE visible <= ?"
            " ORDER BY visible LIMIT 1",
            (now,),
        ).fetchone()
        if found is None:
            return None
        name, data, attributes, deliveries = found
        if deliveries >= self._contract.deliveries:
            _bury(connection, name, f"delivered {deliveries} times")
            return None
        connection.execute(
            "UPDATE messages SET visible = ?, deliveries = deliveries + 1, receipt = ?"
            " WHERE id = ?",
            (now + self._contract.lease_s, handle.receipt, name),
        )
        return Delivery(name, data, json.loads(attributes), handle)

    async def ack(self, delivery: Delivery) -> None:
        """The message is done with."""

        def work(connection: sqlite3.Connection, now: float) -> None:
            connection.execute("DELETE FROM messages WHERE id = ? AND receipt = ?", _key(delivery))

        await self._answer(delivery, work)

    async def nack(self, delivery: Delivery) -> None:
        """The message comes again after its backoff."""

        def work(connection: sqlite3.Connection, now: float) -> None:
            row = connection.execute(
                "UPDATE messages SET nacks = nacks + 1, receipt = NULL"
                " WHERE id = ? AND receipt = ? RETURNING nacks",
                _key(delivery),
            ).fetchone()
            if row:
                connection.execute(
                    "UPDATE messages SET visible = ? WHERE id = ?",
                    (now + self._contract.backoff_s(row[0]), delivery.message_id),
                )

        await self._answer(delivery, work)

    async def extend(self, delivery: Delivery, seconds: float) -> None:
        """Nobody else gets the message for so long; nothing where somebody else has it already."""
        name, receipt = _key(delivery)
        await self._database.run(
            "UPDATE messages SET visible = :now + :s WHERE id = :id AND receipt = :receipt",
            id=name,
            receipt=receipt,
            s=seconds,
        )

    async def bury(self, delivery: Delivery, reason: str) -> None:
        """The message goes to the dead letters, and is done with."""
        if delivery.handle is None:
            # A pushed one was never in this queue; it is kept once, however often it is pushed.
            await self._database.run(
                "INSERT OR IGNORE INTO dead_letters VALUES (:id, :data, :text, :reason)",
                id=delivery.message_id,
                data=delivery.data,
                text=json.dumps(dict(delivery.attributes)),
                reason=reason,
            )
            return

        def work(connection: sqlite3.Connection, now: float) -> None:
            key = _key(delivery)
            held = connection.execute(
                "SELECT 1 FROM messages WHERE id = ? AND receipt = ?", key
            ).fetchone()
            if held:
                _bury(connection, key[0], reason)

        await self._answer(delivery, work)

    async def dead_letters(self, at_most: int) -> list[DeadLetter]:
        """Return up to `at_most` dead letters; they stay."""

        def work(connection: sqlite3.Connection, now: float) -> list[DeadLetter]:
            rows = connection.execute(
                "SELECT data, attributes, reason FROM dead_letters ORDER BY rowid LIMIT ?",
                (at_most,),
            )
            return [DeadLetter(data, json.loads(text), reason) for data, text, reason in rows]

        return await self._database.read(work)

    async def messages(self, uid: str, sid: str | None = None) -> list[str]:
        """Return the names of the messages, dead letters too, of a user's jobs."""

        def work(connection: sqlite3.Connection, now: float) -> list[str]:
            return [
                name
                for table in _TABLES
                for (name,) in connection.execute(
                    f"SELECT id FROM {table} WHERE {_OWNER.format('uid')} = :uid"
                    f" AND (:sid IS NULL OR {_OWNER.format('sid')} = :sid)",
                    {"uid": uid, "sid": sid},
                )
            ]

        return await self._database.read(work)

    async def forget(self, names: Sequence[str]) -> int:
        """Delete messages, dead letters too, by name; return how many there still were.

        A worker that has one in its hands answers for nothing then.
        """

        def work(connection: sqlite3.Connection, now: float) -> int:
            keys = [(name,) for name in names]
            return sum(
                connection.executemany(f"DELETE FROM {table} WHERE id = ?", keys).rowcount
                for table in _TABLES
            )

        return await self._database.write(work) if names else 0

    async def _answer(
        self, delivery: Delivery, work: Callable[[sqlite3.Connection, float], None]
    ) -> None:
        try:
            await self._database.write(work)
        finally:
            # Unanswered for want of a disk: it comes again when its lease ends.
            delivery.handle.release()


def _next_due(connection: sqlite3.Connection, now: float) -> float | None:
    """Return the s until the next message is due; None where there is no message."""
    row = connection.execute("SELECT MIN(visible) FROM messages").fetchone()
    return None if row[0] is None else float(row[0]) - now


def _key(delivery: Delivery) -> tuple[str, str]:
    return delivery.message_id, delivery.handle.receipt


def _bury(connection: sqlite3.Connection, name: str, reason: str) -> None:
    connection.execute(
        "INSERT INTO dead_letters SELECT id, data, attributes, ? FROM messages WHERE id = ?",
        (reason, name),
    )
    connection.execute("DELETE FROM messages WHERE id = ?", (name,))
