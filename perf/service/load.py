"""`make load`: how long the API takes to queue jobs that come at once, while labels are slow.

The API is `pawfect api` in a process of its own over an embedded store; the server behind it
answers `scene_labels` after ten seconds. Latency is the client's: from the first byte sent to the
whole answer. The client shares the machine's cores with the API, so its requests are bytes that
were made before, over connections that are open: its own CPU time stands beside every row.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import httpx
import numpy as np

from harness.local_server import HOST, free_ports
from harness.process import PAWFECT, LoggedProcess
from harness.slow_labels import slow_labels
from pawfect_service.jobs.kinds.inpaint import MASK, ORIGINAL
from perf.publish import as_markdown, provenance, publish, table
from perf.scenes import load_scene

SESSIONS: Final = 50
LABELS_S: Final = 10.0
GOAL_MS: Final = 150.0
# With more rounds in a turn, tasks for labels would reach their bound (256) and be refused.
ROUNDS: Final = 5
# A disk of this machine, and memory: how much of a time is the disk's.
FOLDERS: Final = {"disk": Path(tempfile.gettempdir()), "memory": Path("/dev/shm")}
# Between rounds: what came of the one before is over, such as decoding photos for labels, s.
SETTLED_S: Final = 1.5
LISTENING: Final = '"message": "listening"'
PACKAGES: Final = ("fastapi", "starlette", "uvicorn", "pillow", "python-multipart")
# Of one round: p50 and p95, and the CPU time of this client meanwhile, ms.
Times = tuple[float, float, float]


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


@asynccontextmanager
async def running_api(triton: str, folder: Path, processes: int) -> AsyncIterator[int]:
    """Run `pawfect api` and yield its port once all its processes answer."""
    port = free_ports(1)[0]
    options = ["--no-auth", "--port", str(port), "--triton", triton, "--rate", "100000/minute"]
    options += ["--processes", str(processes)]
    command = [PAWFECT, "api", *options]
    with LoggedProcess(command, folder / "api.log", folder=folder) as api:
        await asyncio.to_thread(api.wait_for, LISTENING, processes)
        await asyncio.sleep(SETTLED_S)
        yield port
        await asyncio.to_thread(api.stop)


def requests_of(
    way: str, port: int, name: str, upload: tuple[bytes, bytes], folder: Path
) -> list[bytes]:
    """Return the requests of one round; files whose paths are sent are laid into the store before.

    Args:
        way: `form` or `storage paths`.
        port: of the API.
        name: of the sessions, which are numbered.
        upload: photo and mask.
        folder: the API's, with its store.
    """
    photo, mask = upload
    made = []
    for number in range(SESSIONS):
        session = f"users/u/sessions/{name}-{number}"
        url = f"http://{HOST}:{port}/v1/{session}/inpaint"
        if way == "form":
            files = {"photo": ("photo.jpg", photo), "mask": ("mask.png", mask)}
            made.append(_as_bytes(httpx.Request("POST", url, files=files)))
            continue
        own = folder / "data" / "files" / session
        own.mkdir(parents=True)
        (own / ORIGINAL).write_bytes(photo)
        (own / MASK).write_bytes(mask)
        order = {"photo": f"{session}/{ORIGINAL}", "mask": f"{session}/{MASK}"}
        made.append(_as_bytes(httpx.Request("POST", url, json=order)))
    return made


def _as_bytes(request: httpx.Request) -> bytes:
    body = request.read()
    head = [f"POST {request.url.raw_path.decode()} HTTP/1.1"]
    head += [f"{name}: {value}" for name, value in request.headers.items()]
    return "\r\n".join([*head, "", ""]).encode() + body


async def send(port: int, requests: Sequence[bytes], pause_s: float) -> Times:
    """Send requests over open connections, one every `pause_s`, however long each takes.

    Raises:
        RuntimeError: an answer other than 202.
        asyncio.IncompleteReadError: a connection that ended without one.
    """
    connections = [await asyncio.open_connection(HOST, port) for _ in requests]
    answers = [asyncio.create_task(_answered(reader)) for reader, _ in connections]
    cpu, starts = time.process_time(), []
    for (_, writer), request in zip(connections, requests, strict=True):
        starts.append(time.perf_counter())
        writer.write(request)
        if pause_s:
            await asyncio.sleep(pause_s)
    ends = await asyncio.gather(*answers)
    cpu_ms = (time.process_time() - cpu) * 1000
    for _, writer in connections:
        writer.close()
    p50, p95 = np.percentile((np.array(ends) - starts) * 1000, [50, 95])
    return float(p50), float(p95), cpu_ms


async def _answered(reader: asyncio.StreamReader) -> float:
    """Return when a whole answer was there."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
    await reader.readexactly(int(length[1]) if length else 0)
    end = time.perf_counter()
    if head.split()[1] != b"202":
        raise RuntimeError(f"expected 202, got {head!r}")
    return end


async def one_turn(case: Case, upload: tuple[bytes, bytes]) -> list[Times]:
    """Return the rounds of one API but for the first, in which it is cold."""
    rounds = []
    with tempfile.TemporaryDirectory(dir=FOLDERS[case.store]) as place:
        # Nothing is filled here: the server behind is asked for nothing but labels.
        async with (
            slow_labels(f"{HOST}:1", LABELS_S) as (triton, server),
            running_api(triton, Path(place), case.processes) as port,
        ):
            for number in range(ROUNDS):
                requests = requests_of(case.sent, port, f"r{number}", upload, Path(place))
                rounds.append(await send(port, requests, case.pause_s))
                await asyncio.sleep(SETTLED_S)
            if not server.now:
                raise RuntimeError("labels: expected calls that wait, got none")
    return rounds[1:]


async def measured(side: int, turns: int) -> list[dict[str, Any]]:
    """Return a row per case, medians of all its rounds; the cases take turns."""
    upload = load_scene().resized(side, side * 3 // 4).encoded()
    rounds: defaultdict[Case, list[Times]] = defaultdict(list)
    for _ in range(turns):
        for case in CASES:
            rounds[case] += await one_turn(case, upload)
            click.echo(f"{case}: {rounds[case][-1]}")
    rows = []
    for case, found in rounds.items():
        p50, p95, cpu_ms = (round(float(value), 1) for value in np.median(found, axis=0))
        row: dict[str, Any] = {"sent": case.sent, "arrival": case.arrival, "store": case.store}
        row |= {"processes": case.processes, "p50_ms": p50, "p95_ms": p95}
        rows.append(row | {"reached": p95 < GOAL_MS, "client_cpu_ms": cpu_ms})
    return rows


@click.command()
@click.option("--side", type=int, default=1024, show_default=True)
@click.option("--turns", type=click.IntRange(1), default=3, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("perf/results"))
def main(side: int, turns: int, out: Path) -> None:
    """Queue 50 sessions in several ways and write how long each took."""
    rows = asyncio.run(measured(side, turns))
    source = provenance("python -m perf.service.load", PACKAGES)
    result = {"goal_p95_ms": GOAL_MS, "labels_take_s": LABELS_S, "rows": rows, "source": source}
    head = ("sent as", "50 sessions", "store", "processes", "p50, ms", "p95, ms",
            f"under {GOAL_MS:g} ms", "client's CPU, ms")  # fmt: skip
    cells = [(row | {"reached": "yes" if row["reached"] else "no"}).values() for row in rows]
    text = (
        "# Queueing jobs\n\n"
        f"{SESSIONS} sessions over one `pawfect api` (embedded store) of this machine; a photo of "
        f"{side} px; `scene_labels` takes {LABELS_S:g} s, and calls for it wait all the time. "
        f"Medians of {turns} turns with {ROUNDS - 1} rounds each after a first one, in which the "
        f"API is cold. Goal: p95 under {GOAL_MS:g} ms. In such a crowd the API checks headers and "
        "leaves broken pixels and empty masks to the worker; storage paths are files that an app "
        f"has uploaded itself.\n\n{table(head, map(list, cells))}\n{as_markdown(source)}"
    )
    publish(out, "sessions-load", result, text)


if __name__ == "__main__":
    main()
