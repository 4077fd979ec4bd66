"""What a run left behind, and what it has to show: every job ended, none twice, none lost."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from collections import Counter, defaultdict
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, cast

from PIL import Image

from pawfect.contract.errors import PawfectError
from pawfect_service.jobs.contract import Status
from pawfect_service.jobs.document import from_document
from pawfect_service.stores.base import Stores
from perf.service.faults.plan import Fault, Plan
from perf.service.faults.uploads import SIZE
from perf.service.faults.watch import Seen


@dataclass
class RunResult:
    """Everything that was seen, done and left.

    Attributes:
        plan: what was to be done.
        sessions: by the document's path.
        pictures: number of each session's picture, by the same path.
        edited: each session's result, by the same path.
        leftovers: paths of files that belong to attempts.
        undelivered: messages that were still in the queue.
        dead_letters: messages that nobody could do anything with.
        done: faults.
        broken_connections: by the cuts.
        duplicates: messages that were published again.
        retried_posts: requests to the API that were sent again.
        seconds: from the start to the last final state.
    """

    plan: Plan
    sessions: dict[str, Seen] = field(default_factory=dict)
    pictures: dict[str, int] = field(default_factory=dict)
    edited: dict[str, bytes] = field(default_factory=dict)
    leftovers: list[str] = field(default_factory=list)
    undelivered: int = 0
    dead_letters: int = 0
    done: Counter[Fault] = field(default_factory=Counter)
    broken_connections: int = 0
    duplicates: int = 0
    retried_posts: int = 0
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
    found, plan = [], result.plan
    statuses = by_status(result)
    final = sum(count for status, count in statuses.items() if status.final)
    for name, expected, got in (
        ("sessions", plan.jobs, len(result.sessions)),
        ("final states", plan.jobs, final),
        ("messages left in the queue", 0, result.undelivered),
        ("dead letters", 0, result.dead_letters),
    ):
        if expected != got:
            found.append(f"{name}: expected {expected}, got {got}")
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
    data = result.edited.get(path, b"")
    try:
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
            size = picture.height, picture.width
    except OSError:
        return [f"{path}: a broken result"]
    return [] if size == SIZE else [f"{path}: a result of {size}"]


def by_status(result: RunResult) -> Counter[Status]:
    """Count the sessions by status."""
    return Counter(Status(seen.document["processingStatus"]) for seen in result.sessions.values())


def figures(result: RunResult) -> dict[str, Any]:
    """Return the run's figures."""
    documents = [seen.document for seen in result.sessions.values()]
    counts = [document["counts"] for document in documents]
    waits = [document["updatedAt"] - document["queuedAt"] for document in documents]
    return {
        "jobs": result.plan.jobs,
        "workers": result.plan.workers,
        "statuses": {status.value: count for status, count in by_status(result).items()},
        "why_failed": [d["error"]["message"] for d in documents if d.get("error")],
        "faults": {fault.value: count for fault, count in result.done.items()},
        "broken_connections": result.broken_connections,
        "duplicate_messages": result.duplicates,
        "requests_sent_again": result.retried_posts,
        "starts": sum(count["starts"] for count in counts),
        "passing_failures": sum(count["passingFailures"] for count in counts),
        "results_written": sum(document.get("result") is not None for document in documents),
        "costs_written": sum(document.get("cost") is not None for document in documents),
        "files_of_killed_workers": len(result.leftovers),
        "longest_job_s": round(max(waits, default=0.0), 1),
        "seconds": round(result.seconds, 1),
        "problems": problems(result),
    }


def markdown(found: dict[str, Any], source: str) -> str:
    """Return the figures as a page."""
    lines = ["# Jobs while everything breaks", "", source, "", "| | |", "|---|---|"]
    for name, value in found.items():
        shown = json.dumps(value) if isinstance(value, dict | list) else value
        lines.append(f"| {name.replace('_', ' ')} | {shown} |")
    return "\n".join(lines) + "\n"
