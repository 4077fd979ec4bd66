"""Jobs through the API, a queue and a worker, while labels come late or never."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.local_server import HOST, free_ports
from harness.process import LoggedProcess
from harness.slow_labels import slow_labels
from pawfect_service.jobs.contract import JobContract
from perf.audit.sessions import Session

# Labels that come late, s: several tries of the queue, and well within what a job waits for them.
LATE_S: Final = 4.0
# Longer than any job waits for them.
NEVER_S: Final = 3600.0
LISTENING: Final = '"message": "listening"'
# How often a session is looked at, s.
LOOKED_S: Final = 0.2
CONTRACT: Final = JobContract()


@dataclass(frozen=True)
class Job:
    """One job as its session's document told it.

    Attributes:
        posted_s: until the POST was answered, s.
        labels_at_post: whether it had labels when the POST was answered.
        status: how it ended, or where it stood when its contract was over.
        over_s: from POST to end, s.
        label_waits: how often it was put back because labels were missing.
        document_labels: `sceneLabels` of the document.
        report_labels: labels by which it was filled.
        labels_source: where REPORT says that these came from.
    """

    posted_s: float
    labels_at_post: bool
    status: str
    over_s: float
    label_waits: int
    document_labels: tuple[str, ...]
    report_labels: tuple[str, ...]
    labels_source: str

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Job:
        """Read what `asdict` made of it, through JSON."""
        lists = ("document_labels", "report_labels")
        return cls(**{**table, **{name: tuple(table[name]) for name in lists}})


@dataclass(frozen=True)
class Jobs:
    """Two jobs.

    Attributes:
        late: whose labels came after LATE_S, and were LABELS.
        never: whose labels never came.
    """

    late: Job
    never: Job

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Jobs:
        """Read what `asdict` made of them, through JSON."""
        return cls(**{name: Job.of(job) for name, job in table.items()})


async def observe(triton: str, session: Session, folder: Path) -> Jobs:
    """Run the API with a worker before a server, and two jobs through it.

    Args:
        triton: HOST:PORT of a server with all of a profile's models.
        session: what is filled.
        folder: an empty one, for the API's store and log.

    Raises:
        ProcessError: the API did not start.
        httpx.HTTPError: it did not answer.
    """
    async with slow_labels(triton, LATE_S) as (address, labels):
        port = free_ports(1)[0]
        options = ["--no-auth", "--with-worker", "--port", str(port), "--triton", address]
        # It is looked at more often than a user would.
        options += ["--rate", "100000/minute"]
        # It ends with this process, even a killed one: its input is this end of a pipe.
        command = [sys.executable, "-m", "pawfect_service.process.child", "api", *options]
        log = folder / "api.log"
        with LoggedProcess(command, log, folder=folder, stdin=subprocess.PIPE) as api:
            await asyncio.to_thread(api.wait_for, LISTENING)
            async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}", timeout=60) as client:
                found = {}
                for name, wait_s in (("late", LATE_S), ("never", NEVER_S)):
                    labels.wait_s = wait_s
                    found[name] = await _one(client, name, session)
            await asyncio.to_thread(api.stop)
    return Jobs(**found)


async def _one(client: httpx.AsyncClient, sid: str, session: Session) -> Job:
    url = f"/v1/users/prove/sessions/{sid}"
    files = _uploads(session)
    began = time.perf_counter()
    posted = await client.post(f"{url}/inpaint", files=files)
    posted_s = time.perf_counter() - began
    posted.raise_for_status()
    state = posted.json()
    # One that does not end is shown as it stands: a finding, no error.
    while state["processingStatus"] in ("pending", "processing"):
        if time.perf_counter() - began > CONTRACT.over_s:
            break
        await asyncio.sleep(LOOKED_S)
        state = (await client.get(url)).raise_for_status().json()
    over_s = time.perf_counter() - began
    report = state["report"] or {}
    return Job(
        posted_s=round(posted_s, 3),
        labels_at_post=bool(posted.json()["sceneLabels"]),
        status=state["processingStatus"],
        over_s=round(over_s, 2),
        label_waits=state["attempts"]["labelWaits"],
        document_labels=tuple((state["sceneLabels"] or {}).get("labels", ())),
        report_labels=tuple(report.get("labels", ())),
        labels_source=str(report.get("labels_source", "")),
    )


def _uploads(session: Session) -> dict[str, tuple[str, bytes]]:
    files = {
        "photo": ("photo.jpg", _encoded(session.photo, "JPEG")),
        "mask": ("mask.png", _encoded(session.mask, "PNG")),
    }
    if session.protect is not None:
        files["protect"] = ("protect.png", _encoded(session.protect, "PNG"))
    return files


def _encoded(picture: NDArray[np.uint8], kind: str) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(picture).save(sink, kind, quality=95)
    return sink.getvalue()
