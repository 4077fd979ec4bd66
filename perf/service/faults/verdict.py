"""What a run has to show: every job ended, none twice, none lost."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter, defaultdict
from typing import Any

from PIL import Image

from pawfect.contract.errors import PawfectError
from pawfect_service.jobs.contract import Status
from pawfect_service.jobs.document import from_document
from perf.service.faults.outcome import Outcome
from perf.service.faults.scenes import SIZE


def problems(outcome: Outcome) -> list[str]:
    """Return what went wrong, nothing if nothing did."""
    found, plan = [], outcome.plan
    statuses = by_status(outcome)
    final = sum(count for status, count in statuses.items() if status.final)
    for name, expected, got in (
        ("sessions", plan.jobs, len(outcome.sessions)),
        ("final states", plan.jobs, final),
        ("messages left in the queue", 0, outcome.undelivered),
        ("dead letters", 0, outcome.dead_letters),
    ):
        if expected != got:
            found.append(f"{name}: expected {expected}, got {got}")
    for path, seen in outcome.sessions.items():
        found += [f"{path}: {broken}" for broken in seen.broken]
        found += _wrong(outcome, path, seen.document)
    results: defaultdict[int, set[str]] = defaultdict(set)
    for path, data in outcome.edited.items():
        results[outcome.pictures[path]].add(hashlib.sha256(data).hexdigest())
    found += [
        f"picture {number}: {len(kinds)} different results"
        for number, kinds in sorted(results.items())
        if len(kinds) > 1
    ]
    return found


def _wrong(outcome: Outcome, path: str, document: Any) -> list[str]:
    _, uid, _, sid = path.split("/")
    try:
        session = from_document(uid, sid, document)
    except PawfectError as error:
        return [f"{path}: {error}"]
    if session.processing_status is not Status.COMPLETED:
        return []
    data = outcome.edited.get(path, b"")
    try:
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
            size = picture.height, picture.width
    except OSError:
        return [f"{path}: a broken result"]
    return [] if size == SIZE else [f"{path}: a result of {size}"]


def by_status(outcome: Outcome) -> Counter[Status]:
    """Count the sessions by status."""
    return Counter(Status(seen.document["processingStatus"]) for seen in outcome.sessions.values())


def told(outcome: Outcome) -> dict[str, Any]:
    """Return the run's figures."""
    documents = [seen.document for seen in outcome.sessions.values()]
    counts = [document["counts"] for document in documents]
    waits = [document["updatedAt"] - document["queuedAt"] for document in documents]
    return {
        "jobs": outcome.plan.jobs,
        "workers": outcome.plan.workers,
        "statuses": {status.value: count for status, count in by_status(outcome).items()},
        "why_failed": [d["error"]["message"] for d in documents if d.get("error")],
        "faults": {fault.value: count for fault, count in outcome.done.items()},
        "broken_connections": outcome.broken_connections,
        "duplicate_messages": outcome.duplicates,
        "requests_sent_again": outcome.retried_posts,
        "starts": sum(count["starts"] for count in counts),
        "passing_failures": sum(count["passingFailures"] for count in counts),
        "results_written": sum(document.get("result") is not None for document in documents),
        "costs_written": sum(document.get("cost") is not None for document in documents),
        "files_of_killed_workers": len(outcome.leftovers),
        "longest_job_s": round(max(waits, default=0.0), 1),
        "seconds": round(outcome.seconds, 1),
        "problems": problems(outcome),
    }


def markdown(figures: dict[str, Any], source: str) -> str:
    """Return the figures as a page."""
    lines = ["# Jobs while everything breaks", "", source, "", "| | |", "|---|---|"]
    for name, value in figures.items():
        shown = json.dumps(value) if isinstance(value, dict | list) else value
        lines.append(f"| {name.replace('_', ' ')} | {shown} |")
    return "\n".join(lines) + "\n"
