"""What a run did and left behind, and what it has to show: every job ended, none twice or lost."""

from __future__ import annotations

import asyncio
import hashlib
import io
import threading
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, cast

from google.cloud import firestore
from PIL import Image

from pawfect.contract.errors import PawfectError
from pawfect_service.jobs.contract import Status
from pawfect_service.jobs.document import from_document
from pawfect_service.stores.base import Stores
from perf.service.moves import broken_moves
from perf.service.pictures import SIZE


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
        return sum(_status(seen).final for seen in self.sessions().values())

    def sessions(self) -> dict[str, Seen]:
        """Return what was seen, by the document's path."""
        with self._lock:
            return dict(self._seen)

    def _changed(self, _: Any, changes: Any, __: Any) -> None:
        with self._lock:
            for change in changes:
                path, new = change.document.reference.path, change.document.to_dict()
                seen = self._seen.setdefault(path, Seen(new))
                if change.type.name == "REMOVED":
                    seen.broken.append("it vanished")
                    continue
                seen.broken += broken_moves(seen.document, new)
                seen.document = new


@dataclass
class RunResult:
    """Everything that was seen, done and left.

    Attributes:
        jobs: that were to be queued.
        sessions: by the document's path.
        pictures: number of each session's picture, by the same path.
        edited: each session's result, by the same path.
        leftovers: paths of files that belong to attempts.
        undelivered: messages that were still in the queue.
        dead_letters: messages that nobody could do anything with.
        done: by name, how often something was broken or sent again.
        seconds: from the start to the last final state.
    """

    jobs: int
    sessions: dict[str, Seen] = field(default_factory=dict)
    pictures: dict[str, int] = field(default_factory=dict)
    edited: dict[str, bytes] = field(default_factory=dict)
    leftovers: list[str] = field(default_factory=list)
    undelivered: int = 0
    dead_letters: int = 0
    done: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    async def collect(self, stores: Stores, left_s: float) -> None:
        """Add files and messages, once nobody works any more.

        Args:
            stores: where they are.
            left_s: how long messages are looked for, s: what a worker held comes when its lease
                ends.
        """
        for path, seen in self.sessions.items():
            files = await stores.files.list(path)
            self.leftovers += [name for name in files if "/attempts/" in name]
            if edited := seen.document["paths"].get("edited"):
                self.edited[path] = await stores.files.get(edited)
        self.dead_letters = len(await stores.queue.dead_letters(1000))
        deliveries = cast("Any", stores.queue.deliveries(100))
        async with aclosing(deliveries):
            try:
                async with asyncio.timeout(left_s):
                    async for delivery in deliveries:
                        self.undelivered += 1
                        await stores.queue.ack(delivery)
            except TimeoutError:
                pass


def problems(result: RunResult) -> list[str]:
    """Return what went wrong, nothing if nothing did."""
    final = sum(_status(seen).final for seen in result.sessions.values())
    found = [
        f"{name}: expected {expected}, got {got}"
        for name, expected, got in (
            ("sessions", result.jobs, len(result.sessions)),
            ("final states", result.jobs, final),
            ("messages left in the queue", 0, result.undelivered),
            ("dead letters", 0, result.dead_letters),
        )
        if expected != got
    ]
    for path, seen in result.sessions.items():
        found += [f"{path}: {broken}" for broken in seen.broken]
        found += _wrong(result, path, seen.document)
    results: defaultdict[int, set[str]] = defaultdict(set)
    for path, data in result.edited.items():
        results[result.pictures[path]].add(hashlib.sha256(data).hexdigest())
    found += [
        f"picture {number}: {len(kinds)} different results"
        for number, kinds in sorted(results.items())
        if len(kinds) > 1
    ]
    return found


def _wrong(result: RunResult, path: str, document: Any) -> list[str]:
    _, uid, _, sid = path.split("/")
    try:
        session = from_document(uid, sid, document)
    except PawfectError as error:
        return [f"{path}: {error}"]
    if session.processing_status is not Status.COMPLETED:
        return []
    try:
        with Image.open(io.BytesIO(result.edited.get(path, b""))) as picture:
            picture.load()
    except OSError:
        return [f"{path}: a broken result"]
    return [] if picture.size == SIZE else [f"{path}: a result of {picture.size}"]


def _status(seen: Seen) -> Status:
    return Status(seen.document["processingStatus"])


def figures(result: RunResult) -> dict[str, Any]:
    """Return the run's figures."""
    documents = [seen.document for seen in result.sessions.values()]
    counts = [document["counts"] for document in documents]
    waits = [document["updatedAt"] - document["queuedAt"] for document in documents]
    return {
        "jobs": result.jobs,
        "statuses": dict(Counter(_status(seen).value for seen in result.sessions.values())),
        "why_failed": [d["error"]["message"] for d in documents if d.get("error")],
        "done": dict(result.done),
        "starts": sum(count["starts"] for count in counts),
        "passing_failures": sum(count["passingFailures"] for count in counts),
        "results_written": sum(document.get("result") is not None for document in documents),
        "costs_written": sum(document.get("cost") is not None for document in documents),
        "files_of_killed_workers": len(result.leftovers),
        "longest_job_s": round(max(waits, default=0.0), 1),
        "seconds": round(result.seconds, 1),
        "problems": problems(result),
    }
