"""Every move of every job, as the store itself committed it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pawfect_service.jobs.contract import Document
from pawfect_service.jobs.message import read_message

# A trigger writes a row in the transaction that changes a document: none is left out, and none is
# there that was not committed. Beats, which change none of these fields, leave none.
_FIELDS: Final = ("processingStatus", "job", "result", "cost", "report")


def _told(body: str) -> str:
    """Return SQL for the fields' values in a document, as one JSON text, which is never NULL."""
    values = ", ".join(f"json_extract({body}, '$.{name}')" for name in _FIELDS)
    return f"json_array({values})"


_OLD: Final = f"SELECT {_told('body')} FROM documents WHERE uid = NEW.uid AND sid = NEW.sid"
_NEW: Final = _told("NEW.body")
_TRIGGER: Final = f"""
CREATE TABLE IF NOT EXISTS soak_history (
    number INTEGER PRIMARY KEY AUTOINCREMENT, uid TEXT, sid TEXT,
    {", ".join(f"{name} TEXT" for name in _FIELDS)}
);
CREATE TRIGGER IF NOT EXISTS soak_moves BEFORE INSERT ON documents
WHEN {_NEW} IS NOT ({_OLD})
BEGIN
    INSERT INTO soak_history (uid, sid, {", ".join(_FIELDS)})
    VALUES (NEW.uid, NEW.sid, {
    ", ".join(f"json_extract(NEW.body, '$.{name}')" for name in _FIELDS)
});
END;
"""
_BUSY_S: Final = 30.0


@dataclass(frozen=True)
class Move:
    """One committed change.

    Attributes:
        number: rising.
        uid: whose.
        sid: which session, or run's job.
        fields: status, job, result, cost and report by the document's names.
    """

    number: int
    uid: str
    sid: str
    fields: Mapping[str, Any]


class History:
    """Moves of an embedded store, written down from now on.

    Args:
        folder: of the store.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "sessions.sqlite3"
        with closing(sqlite3.connect(self._file, timeout=_BUSY_S)) as connection:
            connection.executescript(_TRIGGER)

    def since(self, number: int) -> list[Move]:
        """Return the moves behind a number, oldest first."""
        named = ", ".join(_FIELDS)
        rows = self._read(
            f"SELECT number, uid, sid, {named} FROM soak_history WHERE number > ? ORDER BY number",
            number,
        )
        return [
            Move(number, uid, sid, dict(zip(_FIELDS, fields, strict=True)))
            for number, uid, sid, *fields in rows
        ]

    def messages(self) -> tuple[int, int]:
        """Return how many messages wait, and how many dead letters there are."""
        counts = [
            next(iter(self._read(f"SELECT count(*) FROM {name}")))[0]
            for name in ("messages", "dead_letters")
        ]
        return counts[0], counts[1]

    def queued(self) -> set[tuple[str, str]]:
        """Return user and session of the jobs that have a message in the queue."""
        found = (read_message(data) for (data,) in self._read("SELECT data FROM messages"))
        return {(message.uid, message.sid) for message in found}

    def documents(self) -> dict[tuple[str, str], Document]:
        """Return all documents by user and session."""
        rows = self._read("SELECT uid, sid, body FROM documents")
        return {(uid, sid): json.loads(body) for uid, sid, body in rows}

    def _read(self, sql: str, *values: object) -> Iterable[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._file, timeout=_BUSY_S)) as connection:
            return connection.execute(sql, values).fetchall()
