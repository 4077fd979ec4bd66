"""Consent records, and what quotas count, in the embedded store: tables of their own."""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Final

from pawfect_service.jobs.contract import Document
from pawfect_service.jobs.paths import check_id
from pawfect_service.stores.base import ConsentMark, Decide, KeptRecords
from pawfect_service.stores.embedded.database import Database

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS consents (
    uid TEXT NOT NULL, name TEXT NOT NULL, at REAL NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (uid, name)
);
CREATE INDEX IF NOT EXISTS consents_of_user ON consents (uid, at, name);
CREATE INDEX IF NOT EXISTS consents_at ON consents (at);
CREATE TABLE IF NOT EXISTS quotas (uid TEXT PRIMARY KEY, body TEXT NOT NULL);
"""
# Later than any time, s since the epoch.
_NEVER: Final = 1e12


class EmbeddedRecords:
    """`Records` in a database.

    Args:
        database: with SCHEMA.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_consent(self, uid: str, name: str, record: Document) -> None:
        """Write a consent record with the clock as its `at`; one that is there stays."""
        key = check_id("uid", uid), check_id("name", name)

        def work(connection: sqlite3.Connection, now: float) -> None:
            body = json.dumps({**record, "at": now})
            connection.execute(
                "INSERT OR IGNORE INTO consents VALUES (?, ?, ?, ?)", (*key, now, body)
            )

        await self._database.write(work)

    async def consent(self, uid: str, name: str) -> Document | None:
        """Return a consent record or None."""
        key = check_id("uid", uid), check_id("name", name)

        def work(connection: sqlite3.Connection, _: float) -> Document | None:
            sql = "SELECT body FROM consents WHERE uid = ? AND name = ?"
            row = connection.execute(sql, key).fetchone()
            return _parsed(row[0]) if row else None

        return await self._database.read(work)

    async def consents(
        self, uid: str, at_most: int, before: ConsentMark | None = None
    ) -> list[tuple[str, Document]]:
        """Return a user's consent records by name, newest first, those older than `before`."""
        owner, then = check_id("uid", uid), before or ConsentMark(_NEVER, "")

        def work(connection: sqlite3.Connection, _: float) -> list[tuple[str, Document]]:
            rows = connection.execute(
                "SELECT name, body FROM consents WHERE uid = ? AND (at, name) < (?, ?)"
                " ORDER BY at DESC, name DESC LIMIT ?",
                (owner, then.at, then.name, at_most),
            ).fetchall()
            return [(name, _parsed(body)) for name, body in rows]

        return await self._database.read(work)

    async def withdraw_consent(self, uid: str, name: str) -> None:
        """Delete the consent record of a job that was never made; one that is not there is fine."""
        key = check_id("uid", uid), check_id("name", name)

        def work(connection: sqlite3.Connection, _: float) -> None:
            connection.execute("DELETE FROM consents WHERE uid = ? AND name = ?", key)

        await self._database.write(work)

    async def forget_consents(self, older_s: float, at_most: int) -> int:
        """Delete up to `at_most` consent records, anybody's, of over `older_s`; say how many."""

        def work(connection: sqlite3.Connection, now: float) -> int:
            return connection.execute(
                "DELETE FROM consents WHERE rowid IN"
                " (SELECT rowid FROM consents WHERE at < ? ORDER BY at LIMIT ?)",
                (now - older_s, at_most),
            ).rowcount

        return await self._database.write(work)

    async def update_quota(self, uid: str, decide: Decide) -> Any:
        """Run `decide` over what quotas count in a transaction and return its `answer`."""
        owner = check_id("uid", uid)

        def work(connection: sqlite3.Connection, now: float) -> Any:
            change = decide(_quota(connection, owner), now)
            if change.document is not None:
                body = json.dumps(change.document)
                connection.execute("REPLACE INTO quotas VALUES (?, ?)", (owner, body))
            elif change.delete:
                connection.execute("DELETE FROM quotas WHERE uid = ?", (owner,))
            return change.answer

        return await self._database.write(work)

    async def quota(self, uid: str) -> Document | None:
        """Return what quotas count of a user; None: nothing yet."""
        owner = check_id("uid", uid)
        return await self._database.read(lambda connection, _: _quota(connection, owner))

    async def list_records(self, uid: str) -> KeptRecords:
        """Return all consent records of a user, and what quotas count."""
        owner = check_id("uid", uid)

        def work(connection: sqlite3.Connection, _: float) -> KeptRecords:
            rows = connection.execute(
                "SELECT name, body FROM consents WHERE uid = ? ORDER BY at, name", (owner,)
            ).fetchall()
            consents = {name: _parsed(body) for name, body in rows}
            return KeptRecords(consents, _quota(connection, owner))

        return await self._database.read(work)

    async def delete_records(self, uid: str) -> int:
        """Delete all that `list_records` returns; say how many records that were."""
        owner = check_id("uid", uid)

        def work(connection: sqlite3.Connection, _: float) -> int:
            return sum(
                connection.execute(f"DELETE FROM {table} WHERE uid = ?", (owner,)).rowcount
                for table in ("consents", "quotas")
            )

        return await self._database.write(work)


def _quota(connection: sqlite3.Connection, uid: str) -> Document | None:
    row = connection.execute("SELECT body FROM quotas WHERE uid = ?", (uid,)).fetchone()
    return _parsed(row[0]) if row else None


def _parsed(body: str) -> Document:
    found: Document = json.loads(body)
    return found
