"""How long the API takes to queue jobs that come at once, while labels take ten seconds.

    python -m perf.sessions.load

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
from pathlib import Path
from typing import Any, Final

import click
import httpx
import numpy as np
from PIL import Image

from pawfect_sessions.contract import MASK, ORIGINAL
from perf.local_server import HOST, free_ports
from perf.provenance import as_markdown, provenance
from perf.scene import render_scene
from perf.sessions.raw_client import Part, form, sent, stored
from perf.sessions.slow_labels import slow_labels

RESULTS: Final = Path(__file__).parents[1] / "results" / "sessions-load"
SESSIONS: Final = 50
LABELS_S: Final = 10.0
GOAL_MS: Final = 150.0
START_S: Final = 60.0
PACKAGES: Final = ("fastapi", "starlette", "uvicorn", "pillow", "python-multipart")


@asynccontextmanager
async def running_api(triton: str, folder: Path) -> AsyncIterator[str]:
    """Run `pawfect api` and yield its address."""
    port = free_ports(1)[0]
    options = ["--no-auth", "--port", str(port), "--triton", triton, "--rate", "100000/minute"]
    command = [str(Path(sys.executable).parent / "pawfect"), "api", *options]
    with (folder / "api.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    url = f"http://{HOST}:{port}"
    try:
        async with httpx.AsyncClient(trust_env=False) as http:
            limit = time.monotonic() + START_S
            while True:
                try:
                    await http.get(f"{url}/healthz")
                    break
                except httpx.TransportError:
                    if process.poll() is not None or time.monotonic() > limit:
                        raise RuntimeError("the API did not start") from None
                    await asyncio.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(START_S)


def picture(side: int) -> tuple[bytes, bytes]:
    """Return a JPEG of the reference scene, `side` px wide, and its mask as PNG."""
    scene = render_scene(width=side, height=side * 3 // 4)
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


async def measured(side: int, rounds: int) -> list[dict[str, Any]]:
    """Return a row per way of sending and of arriving; each on an API of its own."""
    rows, made = [], picture(side)
    for way in ("form", "storage paths"):
        for arrival, pause_s in (("at once", 0.0), ("50 a second", 0.02)):
            with tempfile.TemporaryDirectory() as place:
                # Nothing is filled here: the server behind is asked for nothing but labels.
                async with (
                    slow_labels(f"{HOST}:1", LABELS_S) as (triton, server),
                    running_api(triton, Path(place)) as url,
                ):
                    times = []
                    for number in range(rounds + 1):
                        host = url.removeprefix("http://")
                        sending = requests_of(way, host, f"r{number}", made, Path(place))
                        port = int(host.rpartition(":")[2])
                        times.append(await sent(HOST, port, sending, pause_s))
                    waiting = server.now
            rows.append(_row(way, arrival, times, waiting))
            click.echo(json.dumps(rows[-1]))
    return rows


def _row(
    way: str, arrival: str, times: list[tuple[list[float], float]], waiting: int
) -> dict[str, Any]:
    """Return the medians of all rounds but the first, whose figure stands beside them."""
    quantiles = [np.percentile(taken, [50, 95, 100]) for taken, _ in times]
    p50, p95, longest = np.median(quantiles[1:], axis=0)
    return {
        "sent": way,
        "arrival": arrival,
        "p50_ms": round(float(p50), 1),
        "p95_ms": round(float(p95), 1),
        "max_ms": round(float(longest), 1),
        "first_p95_ms": round(float(quantiles[0][1]), 1),
        "client_cpu_ms": round(float(np.median([cpu for _, cpu in times[1:]])), 1),
        "label_calls_waiting": waiting,
    }


def as_table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as Markdown."""
    head = (
        "| sent as | 50 sessions | p50, ms | p95, ms | longest, ms | first round's p95, ms "
        "| client's CPU, ms |\n|---|---|---|---|---|---|---|\n"
    )
    keys = ("sent", "arrival", "p50_ms", "p95_ms", "max_ms", "first_p95_ms", "client_cpu_ms")
    return head + "".join(f"| {' | '.join(str(row[key]) for key in keys)} |\n" for row in rows)


@click.command()
@click.option("--side", type=int, default=1024, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
def main(side: int, rounds: int, out: Path) -> None:
    """Queue 50 sessions in several ways and write how long each took."""
    rows = asyncio.run(measured(side, rounds))
    source = provenance("python -m perf.sessions.load", PACKAGES)
    told = {"goal_p95_ms": GOAL_MS, "labels_take_s": LABELS_S, "rows": rows, "source": source}
    out.with_suffix(".json").write_text(json.dumps(told, indent=2) + "\n")
    text = (
        "# Queueing jobs\n\n"
        f"{SESSIONS} sessions over one `pawfect api` (embedded store) of this machine; a photo of "
        f"{side} px; `scene_labels` takes {LABELS_S:g} s. Medians of {rounds} rounds after a first "
        "one, in which the API is cold and all its calls for labels begin. Goal: p95 under "
        f"{GOAL_MS:g} ms.\n\n{as_table(rows)}\n{as_markdown(source)}"
    )
    out.with_suffix(".md").write_text(text)


if __name__ == "__main__":
    main()
