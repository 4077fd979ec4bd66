"""What is being removed, in the embedded store: a row each."""

from __future__ import annotations

import json
import secrets
import sqlite3
from dataclasses import replace
from typing import Final

from pawfect_service.stores.base import Removal
from pawfect_service.stores.embedded.database import Database

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS removals (
    key TEXT PRIMARY KEY, token TEXT NOT NULL, began REAL NOT NULL, until REAL NOT NULL,
    uid TEXT, sids TEXT NOT NULL, places TEXT NOT NULL
);
"""
_COLUMNS: Final = "key, token, began, until, uid, sids, places"
_Row = tuple[str, str, float, float, str | None, str, str]


class EmbeddedRemovals:
    """`Removals` in a database.

    Args:
        database: with SCHEMA.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(
        self, key: str, uid: str, kept_s: float, sids: tuple[str, ...], places: tuple[str, ...]
    ) -> Removal:
        """Write down that something is being removed, in place of what the key had."""
        token = secrets.token_hex(8)

        def work(connection: sqlite3.Connection, now: float) -> Removal:
            begun = Removal(key, token, now, now + kept_s, uid, sids, places)
            texts = json.dumps(sids), json.dumps(places)
            connection.execute(
                "REPLACE INTO removals VALUES (?, ?, ?, ?, ?, ?, ?)",
                (key, token, begun.began_at, begun.until, uid, *texts),
            )
            return begun

        return await self._database.write(work)

    async def renew(self, removal: Removal) -> Removal | None:
        """Begin a removal anew, as another one; None where it has ended or is another by now."""
        token = secrets.token_hex(8)

        def work(connection: sqlite3.Connection, now: float) -> Removal | None:
            until = now + removal.until - removal.began_at
            renewed = connection.execute(
                "UPDATE removals SET token = ?, began = ?, until = ?"
                " WHERE key = ? AND token = ? AND uid IS NOT NULL",
                (token, now, until, removal.key, removal.token),
            )
            new = replace(removal, token=token, began_at=now, until=until)
            return new if renewed.rowcount > 0 else None

        return await self._database.write(work)

    async def end(self, removal: Removal) -> bool:
        """Take the user's id off a removal, and say whether it was still this one."""

        def work(connection: sqlite3.Connection, _: float) -> bool:
            ended = connection.execute(
                "UPDATE removals SET uid = NULL, sids = '[]' WHERE key = ? AND token = ?",
                (removal.key, removal.token),
            )
            return ended.rowcount > 0

        return await self._database.write(work)

    async def drop(self, removal: Removal) -> None:
        """Delete one, unless another has taken its place."""
        await self._database.run(
            "DELETE FROM removals WHERE key = :key AND token = :token",
            key=removal.key,
            token=removal.token,
        )

    async def of(self, *keys: str) -> list[Removal]:
        """Return those of some keys that there are."""
        marks = ", ".join("?" * len(keys))
        return await self._found(f"key IN ({marks})", *keys)

    async def pending(self, at_most: int) -> list[Removal]:
        """Return up to `at_most` that are under way, oldest first."""
        return await self._found("uid IS NOT NULL ORDER BY began LIMIT ?", at_most)

    async def past(self, at_most: int) -> list[Removal]:
        """Return up to `at_most` that have ended and whose `until` is over."""

        def work(connection: sqlite3.Connection, now: float) -> list[Removal]:
            return _read(connection, "uid IS NULL AND until <= ? LIMIT ?", now, at_most)

        return await self._database.read(work)

    async def _found(self, where: str, *values: object) -> list[Removal]:
        return await self._database.read(lambda connection, _: _read(connection, where, *values))


def _read(connection: sqlite3.Connection, where: str, *values: object) -> list[Removal]:
    rows: list[_Row] = connection.execute(
        f"SELECT {_COLUMNS} FROM removals WHERE {where}", values
    ).fetchall()
    return [
        Removal(key, token, began, until, uid, tuple(json.loads(sids)), tuple(json.loads(places)))
        for key, token, began, until, uid, sids, places in rows
    ]
