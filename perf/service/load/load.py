"""How long the API takes to queue jobs that come at once, while labels take ten seconds.

    python -m perf.service.load.load

The API is `pawfect api` in a process of its own over an embedded store; the server behind it
answers `scene_labels` after ten seconds. Latency is the client's: from the first byte sent to the
whole answer. Writes perf/results/sessions-load.json and .md.
"""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.local_server import HOST, free_ports
from pawfect_service.jobs.kinds.inpaint import MASK, ORIGINAL
from perf.publish import as_markdown, provenance, publish, table
from perf.scenes import load_scene
from perf.service.load.raw_client import Part, form, sent, stored
from perf.service.load.slow_labels import slow_labels

RESULTS: Final = Path(__file__).parents[2] / "results"
NAME: Final = "sessions-load"
SESSIONS: Final = 50
LABELS_S: Final = 10.0
GOAL_MS: Final = 150.0
START_S: Final = 60.0
# With more rounds in a turn, tasks for labels would reach their bound (256) and be refused.
ROUNDS: Final = 5
# A disk of this machine, and memory: how much of a time is the disk's.
FOLDERS: Final = {"disk": Path(tempfile.gettempdir()), "memory": Path("/dev/shm")}
# Between rounds: what came of the one before is over, such as decoding photos for labels, s.
SETTLED_S: Final = 1.5
LISTENING: Final = b'"message": "listening"'
PACKAGES: Final = ("fastapi", "starlette", "uvicorn", "pillow", "python-multipart")


@dataclass(frozen=True)
class Case:
    """A way of queueing 50 sessions.

    Attributes:
        sent: `form` or `storage paths`.
        arrival: what the pauses between the requests make of them.
        pause_s: between two requests, s.
        processes: of the API.
        store: one of FOLDERS.
    """

    sent: str
    arrival: str
    pause_s: float
    processes: int
    store: str


CASES: Final = (
    *(
        Case(way, "at once", 0.0, processes, store)
        for way in ("form", "storage paths")
        for store in FOLDERS
        for processes in (1, 2)
    ),
    *(Case(way, "50 a second", 0.02, 1, "disk") for way in ("form", "storage paths")),
)


@dataclass(frozen=True)
class Round:
    """What one burst took.

    Attributes:
        first: of an API.
        latencies: p50, p95 and longest, ms.
        client_cpu_ms: CPU time of this client meanwhile, ms.
    """

    first: bool
    latencies: NDArray[np.float64]
    client_cpu_ms: float


@asynccontextmanager
async def running_api(triton: str, folder: Path, processes: int) -> AsyncIterator[str]:
    """Run `pawfect api` and yield its address once all its processes answer."""
    port = free_ports(1)[0]
    options = ["--no-auth", "--port", str(port), "--triton", triton, "--rate", "100000/minute"]
    options += ["--processes", str(processes)]
    command = [str(Path(sys.executable).parent / "pawfect"), "api", *options]
    with (folder / "api.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        limit = time.monotonic() + START_S
        while (folder / "api.log").read_bytes().count(LISTENING) < processes:
            if process.poll() is not None or time.monotonic() > limit:
                raise RuntimeError("the API did not start")
            await asyncio.sleep(0.1)
        await asyncio.sleep(SETTLED_S)
        yield f"{HOST}:{port}"
    finally:
        process.terminate()
        process.wait(START_S)


def picture(side: int) -> tuple[bytes, bytes]:
    """Return a JPEG of the reference scene, `side` px wide, and its mask as PNG."""
    scene = load_scene().resized(side, side * 3 // 4)
    photo, mask = io.BytesIO(), io.BytesIO()
    Image.fromarray(scene.photo).save(photo, "JPEG", quality=90)
    Image.fromarray(scene.mask).save(mask, "PNG")
    return photo.getvalue(), mask.getvalue()


def requests_of(
    way: str, host: str, name: str, picture: tuple[bytes, bytes], folder: Path
) -> list[bytes]:
    """Return the requests of one burst; files whose paths are sent are laid into the store before.

    Args:
        way: `form` or `storage paths`.
        host: HOST:PORT of the API.
        name: of the sessions, which are numbered.
        picture: JPEG and PNG.
        folder: the API's, with its store.
    """
    photo, mask = picture
    made = []
    for number in range(SESSIONS):
        session = f"users/u/sessions/{name}-{number}"
        path = f"/v1/{session}/inpaint"
        if way == "form":
            parts = {
                "photo": Part("photo.jpg", "image/jpeg", photo),
                "mask": Part("mask.png", "image/png", mask),
            }
            made.append(form(host, path, parts))
            continue
        own = folder / "data" / "files" / session
        own.mkdir(parents=True)
        (own / ORIGINAL).write_bytes(photo)
        (own / MASK).write_bytes(mask)
        order = {"photo": f"{session}/{ORIGINAL}", "mask": f"{session}/{MASK}"}
        made.append(stored(host, path, order))
    return made


async def measured(side: int, turns: int) -> list[dict[str, Any]]:
    """Return a row per case; they take turns, each turn on an API of its own, its store empty."""
    turned: dict[Case, list[Round]] = {case: [] for case in CASES}
    made = picture(side)
    for _ in range(turns):
        for case in CASES:
            turned[case] += await one_turn(case, made)
    rows = [_row(case, rounds) for case, rounds in turned.items()]
    for row in rows:
        click.echo(json.dumps(row))
    return rows


async def one_turn(case: Case, made: tuple[bytes, bytes]) -> list[Round]:
    """Return the rounds of one API."""
    rounds = []
    with tempfile.TemporaryDirectory(dir=FOLDERS[case.store]) as place:
        # Nothing is filled here: the server behind is asked for nothing but labels.
        async with (
            slow_labels(f"{HOST}:1", LABELS_S) as (triton, server),
            running_api(triton, Path(place), case.processes) as host,
        ):
            for number in range(ROUNDS):
                sending = requests_of(case.sent, host, f"r{number}", made, Path(place))
                port = int(host.rpartition(":")[2])
                taken, cpu_ms = await sent(HOST, port, sending, case.pause_s)
                rounds.append(Round(number == 0, np.percentile(taken, [50, 95, 100]), cpu_ms))
                await asyncio.sleep(SETTLED_S)
            if not server.now:
                raise RuntimeError("labels: expected calls that wait, got none")
    return rounds


def _row(case: Case, rounds: list[Round]) -> dict[str, Any]:
    """Return the medians of all rounds but the first ones, whose figure stands beside them."""
    warm = [each for each in rounds if not each.first]
    p50, p95, longest = np.median([each.latencies for each in warm], axis=0)
    first = np.median([each.latencies[1] for each in rounds if each.first])
    return {
        "sent": case.sent,
        "arrival": case.arrival,
        "store": case.store,
        "processes": case.processes,
        "p50_ms": round(float(p50), 1),
        "p95_ms": round(float(p95), 1),
        "reached": bool(p95 < GOAL_MS),
        "max_ms": round(float(longest), 1),
        "first_p95_ms": round(float(first), 1),
        "client_cpu_ms": round(float(np.median([each.client_cpu_ms for each in warm])), 1),
    }


def as_table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as Markdown."""
    columns = {
        "sent as": "sent",
        "50 sessions": "arrival",
        "store": "store",
        "processes": "processes",
        "p50, ms": "p50_ms",
        "p95, ms": "p95_ms",
        f"under {GOAL_MS:g} ms": "reached",
        "longest, ms": "max_ms",
        "first round's p95, ms": "first_p95_ms",
        "client's CPU, ms": "client_cpu_ms",
    }
    told = [{**row, "reached": "yes" if row["reached"] else "no"} for row in rows]
    return table(list(columns), ([row[key] for key in columns.values()] for row in told))


@click.command()
@click.option("--side", type=int, default=1024, show_default=True)
@click.option("--turns", type=click.IntRange(1), default=3, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
def main(side: int, turns: int, out: Path) -> None:
    """Queue 50 sessions in several ways and write how long each took."""
    rows = asyncio.run(measured(side, turns))
    source = provenance("python -m perf.service.load.load", PACKAGES)
    result = {"goal_p95_ms": GOAL_MS, "labels_take_s": LABELS_S, "rows": rows, "source": source}
    text = (
        "# Queueing jobs\n\n"
        f"{SESSIONS} sessions over one `pawfect api` (embedded store) of this machine; a photo of "
        f"{side} px; `scene_labels` takes {LABELS_S:g} s, and calls for it wait all the time. "
        f"Medians of {turns} turns with {ROUNDS - 1} rounds each after a first one, in which the "
        f"API is cold. Goal: p95 under {GOAL_MS:g} ms. In such a crowd the API checks headers and "
        "leaves broken pixels and empty masks to the worker; storage paths are files that an app "
        f"has uploaded itself.\n\n{as_table(rows)}\n{as_markdown(source)}"
    )
    publish(out, NAME, result, text)


if __name__ == "__main__":
    main()
