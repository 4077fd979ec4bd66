"""What happened to every session, as a watch on the database sees it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from google.cloud import firestore

from pawfect_service.jobs.contract import MOVES, Status

# The part of a document that is written once per job.
_ONCE = ("result", "cost", "report")


@dataclass
class Seen:
    """One session: its last document, and what must not have happened to it."""

    document: Mapping[str, Any]
    broken: list[str] = field(default_factory=list)


class SessionWatch:
    """Watches all sessions of a database, past every relay.

    Args:
        client: of the database itself.
    """

    def __init__(self, client: firestore.Client) -> None:
        self._seen: dict[str, Seen] = {}
        self._lock = threading.Lock()
        self._watch = client.collection_group("sessions").on_snapshot(self._changed)

    def close(self) -> None:
        """Look away."""
        self._watch.unsubscribe()  # type: ignore[no-untyped-call]

    def finished(self) -> int:
        """Count the sessions in a final state."""
        with self._lock:
            statuses = [Status(one.document["processingStatus"]) for one in self._seen.values()]
        return sum(status.final for status in statuses)

    def sessions(self) -> dict[str, Seen]:
        """Return what was seen, by the document's path."""
        with self._lock:
            return dict(self._seen)

    def _changed(self, _: Any, changes: Any, __: Any) -> None:
        with self._lock:
            for change in changes:
                path, new = change.document.reference.path, change.document.to_dict()
                before = self._seen.get(path)
                if change.type.name == "REMOVED" or before is None:
                    self._seen[path] = before or Seen(new)
                    if before is not None:
                        before.broken.append("it vanished")
                    continue
                before.broken += broken_moves(before.document, new)
                before.document = new


def broken_moves(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return what the contract does not allow between two versions of a document.

    A watch may leave out versions in between, so that only what no sequence of moves explains is
    said: leaving a final state, and another result, cost or report than the first one.
    """
    before, after = Status(old["processingStatus"]), Status(new["processingStatus"])
    broken = []
    if not MOVES[before] and before is not after:
        broken.append(f"{before.value} became {after.value}")
    for name in _ONCE:
        if old.get(name) is not None and old[name] != new.get(name):
            broken.append(f"{name} was written twice")
    return broken
