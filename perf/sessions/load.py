"""How long the API takes to queue jobs that come at once, while labels take ten seconds.

    python -m perf.sessions.load

The API is `pawfect api` in a process of its own over an embedded store; the server behind it
answers `scene_labels` after ten seconds. Latency is the client's: from the first byte sent to the
whole answer, photo and mask on the way. Writes perf/results/sessions-load.json and .md.
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

from perf.local_server import HOST, free_ports
from perf.provenance import as_markdown, provenance
from perf.scene import render_scene
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


async def posted(http: httpx.AsyncClient, request: httpx.Request) -> float:
    """Send one request and return the milliseconds until its answer."""
    began = time.perf_counter()
    answer = await http.send(request)
    spent_ms = (time.perf_counter() - began) * 1000
    if answer.status_code != httpx.codes.ACCEPTED:
        raise RuntimeError(f"expected 202, got {answer.status_code}: {answer.text}")
    return spent_ms


async def burst(url: str, name: str, files: dict[str, bytes], pause_s: float) -> list[float]:
    """Queue sessions, one every `pause_s`, however long each takes; return milliseconds."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=START_S, limits=limits, trust_env=False) as http:
        requests = [
            http.build_request("POST", f"{url}/v1/users/u/sessions/{name}-{n}/inpaint", files=files)
            for n in range(SESSIONS)
        ]
        for request in requests:
            await request.aread()
        sending = []
        for request in requests:
            sending.append(asyncio.create_task(posted(http, request)))
            if pause_s:
                await asyncio.sleep(pause_s)
        return await asyncio.gather(*sending)


async def measured(sides: tuple[int, ...]) -> list[dict[str, Any]]:
    """Return a row per size of photo and way of arriving."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        # Nothing is filled here: the server behind is never asked for anything but labels.
        async with (
            slow_labels(f"{HOST}:1", LABELS_S) as (triton, server),
            running_api(triton, Path(folder)) as url,
        ):
            await burst(url, "warm", dict(zip(("photo", "mask"), picture(256), strict=True)), 0.0)
            for side in sides:
                photo, mask = picture(side)
                for way, pause_s in (("at once", 0.0), ("50 a second", 0.02), ("10 a second", 0.1)):
                    name = f"{side}-{way.split()[0]}"
                    times = await burst(url, name, {"photo": photo, "mask": mask}, pause_s)
                    p50, p95 = np.percentile(times, [50, 95])
                    rows.append(
                        {
                            "photo": f"{side} px, {len(photo) / 1024:.0f} KiB",
                            "arrival": way,
                            "p50_ms": round(float(p50), 1),
                            "p95_ms": round(float(p95), 1),
                            "max_ms": round(max(times), 1),
                            "label_calls_waiting": server.now,
                        }
                    )
                    click.echo(json.dumps(rows[-1]))
    return rows


def as_table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as Markdown."""
    head = "| photo | 50 sessions | p50, ms | p95, ms | longest, ms |\n|---|---|---|---|---|\n"
    keys = ("photo", "arrival", "p50_ms", "p95_ms", "max_ms")
    return head + "".join(f"| {' | '.join(str(row[key]) for key in keys)} |\n" for row in rows)


@click.command()
@click.option("--side", "sides", type=int, multiple=True, default=(1024,), show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
def main(sides: tuple[int, ...], out: Path) -> None:
    """Queue 50 sessions in several ways and write how long each took."""
    rows = asyncio.run(measured(sides))
    source = provenance("python -m perf.sessions.load", PACKAGES)
    told = {"goal_p95_ms": GOAL_MS, "labels_take_s": LABELS_S, "rows": rows, "source": source}
    out.with_suffix(".json").write_text(json.dumps(told, indent=2) + "\n")
    text = (
        "# Queueing jobs\n\n"
        f"{SESSIONS} sessions over one `pawfect api` (embedded store); `scene_labels` takes "
        f"{LABELS_S:g} s.\n\n{as_table(rows)}\n{as_markdown(source)}"
    )
    out.with_suffix(".md").write_text(text)


if __name__ == "__main__":
    main()
