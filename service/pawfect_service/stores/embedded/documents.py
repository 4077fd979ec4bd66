"""Session documents in the embedded store: rows of JSON."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Final

from pawfect_service.jobs.contract import Document
from pawfect_service.jobs.paths import check_id
from pawfect_service.stores.base import Decide, IdleMark, RunMark
from pawfect_service.stores.embedded.database import Database

# What is no JSON, such as one with a NaN of somebody's own, has no field.
_FIELD: Final = "CASE WHEN json_valid(body) THEN json_extract(body, '$.{}') END"
_CREATED: Final = _FIELD.format("createdAt")
_UPDATED: Final = _FIELD.format("updatedAt")
_RUN_BEGINS: Final = f"sid GLOB 'run-{'[0-9a-f]' * 32}-0001'"
# `version` counts over all documents, so that one deleted and made anew has another.
SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS documents (
    uid TEXT NOT NULL, sid TEXT NOT NULL,
    body TEXT NOT NULL, version INTEGER NOT NULL, expires REAL,
    PRIMARY KEY (uid, sid)
);
CREATE INDEX IF NOT EXISTS documents_expires ON documents (expires) WHERE expires IS NOT NULL;
CREATE TABLE IF NOT EXISTS versions (one INTEGER PRIMARY KEY CHECK (one = 1), last INTEGER);
INSERT OR IGNORE INTO versions VALUES (1, 0);
DROP INDEX IF EXISTS documents_runs;
CREATE INDEX IF NOT EXISTS documents_first_of_runs ON documents (uid, {_CREATED}, sid)
WHERE {_RUN_BEGINS};
CREATE INDEX IF NOT EXISTS documents_updated ON documents ({_UPDATED}, uid, sid);
"""
_Key = tuple[str, str]
# Later than any time, s since the epoch.
_NEVER: Final = 1e12
# Documents that are read at a time where all are gone through.
_PAGE: Final = 500
# And where each of them is handed on whole: some 10 kB each, 1 MiB at most.
_WHOLE_PAGE: Final = 50


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
            elif change.delete:
                connection.execute("DELETE FROM documents WHERE uid = ? AND sid = ?", key)
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

    async def named(self, uid: str, prefix: str) -> list[tuple[str, Document]]:
        """Return a user's documents whose sid begins with a prefix, sid and document, by sid."""
        # Ids have no character above `~`, and it is not one of theirs.
        bounds = check_id("uid", uid), check_id("prefix", prefix), f"{prefix}~"

        def work(connection: sqlite3.Connection, _: float) -> list[tuple[str, Document]]:
            rows = connection.execute(
                "SELECT sid, body FROM documents WHERE uid = ? AND sid >= ? AND sid < ?"
                " ORDER BY sid",
                bounds,
            ).fetchall()
            return [(sid, document_of(body)) for sid, body in rows]

        return await self._database.read(work)

    async def newest_runs(
        self, uid: str, at_most: int, before: RunMark | None = None
    ) -> list[RunMark]:
        """Return the first jobs of a user's runs, newest first, those older than `before`."""
        owner, then = check_id("uid", uid), before or RunMark(_NEVER, "")

        def work(connection: sqlite3.Connection, _: float) -> list[RunMark]:
            rows = connection.execute(
                f"SELECT {_CREATED}, sid FROM documents INDEXED BY documents_first_of_runs"
                f" WHERE uid = :uid AND {_RUN_BEGINS} AND {_CREATED} <= :then"
                f" AND ({_CREATED} < :then OR sid < :sid)"
                f" ORDER BY {_CREATED} DESC, sid DESC LIMIT :most",
                {"uid": owner, "then": then.created_at, "sid": then.sid, "most": at_most},
            ).fetchall()
            return [RunMark(created, sid) for created, sid in rows]

        return await self._database.read(work)

    async def waiting_before(self, queued_at: float, at_most: int) -> int:
        """Return how many jobs, anybody's, wait that were queued earlier; no more than `at_most`.

        It reads the jobs without an end, which alone have a time of expiry.
        """
        status, queued = (_FIELD.format(name) for name in ("processingStatus", "queuedAt"))

        def work(connection: sqlite3.Connection, now: float) -> int:
            (count,) = connection.execute(
                "SELECT COUNT(*) FROM (SELECT 1 FROM documents WHERE expires > ?"
                f" AND {status} = 'pending' AND {queued} < ? LIMIT ?)",
                (now, queued_at, at_most),
            ).fetchone()
            return int(count)

        return await self._database.read(work)

    async def of_kind(self, kind: str, since: float) -> AsyncIterator[Document]:
        """Yield all documents with this `jobKind` and a `queuedAt` of `since` or later."""
        last: _Key | None = "", ""
        while last is not None:
            found, last = await self._database.read(partial(_page_of_kind, kind, since, last))
            for document in found:
                yield document

    async def of_user(self, uid: str) -> AsyncIterator[tuple[str, Document]]:
        """Yield all of a user's documents, sid and document, by sid."""
        owner, last = check_id("uid", uid), ""
        while True:
            rows = await self._database.read(partial(_page_of_user, owner, last))
            for sid, body in rows:
                yield sid, document_of(body)
            if len(rows) < _WHOLE_PAGE:
                return
            last = rows[-1][0]

    async def idle(
        self, before: float, at_most: int, after: IdleMark | None = None
    ) -> list[IdleMark]:
        """Return up to `at_most` documents, anybody's, whose `updatedAt` is `before` or earlier."""
        then = after or IdleMark(0.0, "", "")

        def work(connection: sqlite3.Connection, _: float) -> list[IdleMark]:
            rows = connection.execute(
                f"SELECT {_UPDATED}, uid, sid FROM documents INDEXED BY documents_updated"
                # Any number is before any text.
                f" WHERE {_UPDATED} <= ? AND ({_UPDATED}, uid, sid) > (?, ?, ?)"
                f" ORDER BY {_UPDATED}, uid, sid LIMIT ?",
                (before, then.updated_at, then.uid, then.sid, at_most),
            ).fetchall()
            return [IdleMark(float(updated), uid, sid) for updated, uid, sid in rows]

        return await self._database.read(work)


def _page_of_user(
    uid: str, after: str, connection: sqlite3.Connection, _: float
) -> list[tuple[str, str]]:
    return connection.execute(
        "SELECT sid, body FROM documents WHERE uid = ? AND sid > ? ORDER BY sid LIMIT ?",
        (uid, after, _WHOLE_PAGE),
    ).fetchall()


def _page_of_kind(
    kind: str, since: float, after: _Key, connection: sqlite3.Connection, _: float
) -> tuple[list[Document], _Key | None]:
    """Return what `of_kind` yields of the page behind a key, and the page's last key or None."""
    rows = connection.execute(
        "SELECT uid, sid, body FROM documents WHERE (uid, sid) > (?, ?) ORDER BY uid, sid LIMIT ?",
        (*after, _PAGE),
    ).fetchall()

    def fits(document: Document) -> bool:
        queued = document.get("queuedAt")
        timed = isinstance(queued, int | float) and queued >= since
        return document.get("jobKind") == kind and timed

    found = [document for *_, body in rows if fits(document := document_of(body))]
    return found, (rows[-1][0], rows[-1][1]) if len(rows) == _PAGE else None


def _read(connection: sqlite3.Connection, key: tuple[str, str]) -> tuple[Document | None, int]:
    """Return a document and its version; what is no JSON object is one without any field."""
    row = connection.execute(
        "SELECT body, version FROM documents WHERE uid = ? AND sid = ?", key
    ).fetchone()
    if row is None:
        return None, 0
    return document_of(row[0]), row[1]


def document_of(body: Any) -> Document:
    """Return the document of a stored body; what is no JSON object is one without any field."""
    try:
        document = json.loads(body)
    except (ValueError, TypeError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
