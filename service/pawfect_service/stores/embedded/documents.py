"""Session documents in the embedded store: rows of JSON."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from typing import Any, Final

from pawfect_service.jobs.contract import Document
from pawfect_service.jobs.paths import check_id
from pawfect_service.stores.base import Decide
from pawfect_service.stores.embedded.database import Database

# `version` counts over all documents, so that one deleted and made anew has another.
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS documents (
    uid TEXT NOT NULL, sid TEXT NOT NULL,
    body TEXT NOT NULL, version INTEGER NOT NULL, expires REAL,
    PRIMARY KEY (uid, sid)
);
CREATE INDEX IF NOT EXISTS documents_expires ON documents (expires) WHERE expires IS NOT NULL;
CREATE TABLE IF NOT EXISTS versions (one INTEGER PRIMARY KEY CHECK (one = 1), last INTEGER);
INSERT OR IGNORE INTO versions VALUES (1, 0);
"""


class EmbeddedDocuments:
    """`Documents` in a database.

    Args:
        database: with SCHEMA.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def update(self, uid: str, sid: str, decide: Decide) -> Any:
        """Run `decide` in a transaction and return its `answer` once it is committed."""
        key = check_id("uid", uid), check_id("sid", sid)

        def work(connection: sqlite3.Connection, now: float) -> Any:
            change = decide(_read(connection, key)[0], now)
            if change.document is not None:
                # A NaN that somebody wrote into a field of his own must not stop the rest.
                body = json.dumps(change.document)
                expires = change.document.get("expiresAt")
                (version,) = connection.execute(
                    "UPDATE versions SET last = last + 1 RETURNING last"
                ).fetchone()
                connection.execute(
                    "REPLACE INTO documents VALUES (?, ?, ?, ?, ?)", (*key, body, version, expires)
                )
            return change.answer

        return await self._database.write(work)

    async def get(self, uid: str, sid: str) -> Document | None:
        """Return a document or None."""
        key = check_id("uid", uid), check_id("sid", sid)
        return (await self._database.read(lambda connection, _: _read(connection, key)))[0]

    async def delete(self, uid: str, sid: str) -> None:
        """Remove a document; one that is not there is no error."""
        await self._database.run(
            "DELETE FROM documents WHERE uid = :uid AND sid = :sid",
            uid=check_id("uid", uid),
            sid=check_id("sid", sid),
        )

    async def watch(self, uid: str, sid: str) -> AsyncIterator[Document | None]:
        """Yield the document now and after each change, and None once it is gone."""
        key = check_id("uid", uid), check_id("sid", sid)
        changes, last = self._database.changes, -1
        while True:
            count = changes.count
            document, version = await self._database.read(
                lambda connection, _: _read(connection, key)
            )
            if version != last:
                last = version
                yield document
            await changes.after(count)

    async def overdue(self, at_most: int) -> list[tuple[str, str]]:
        """Return uid and sid of up to `at_most` sessions past their `expiresAt`, oldest first."""

        def work(connection: sqlite3.Connection, now: float) -> list[tuple[str, str]]:
            return connection.execute(
                "SELECT uid, sid FROM documents WHERE expires <= ? ORDER BY expires LIMIT ?",
                (now, at_most),
            ).fetchall()

        return await self._database.read(work)


def _read(connection: sqlite3.Connection, key: tuple[str, str]) -> tuple[Document | None, int]:
    """Return a document and its version; what is no JSON object is one without any field."""
    row = connection.execute(
        "SELECT body, version FROM documents WHERE uid = ? AND sid = ?", key
    ).fetchone()
    if row is None:
        return None, 0
    try:
        document = json.loads(row[0])
    except (ValueError, TypeError):
        document = {}
    return document if isinstance(document, dict) else {}, row[1]
