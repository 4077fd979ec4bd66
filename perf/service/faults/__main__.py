"""`make faults`: 200 jobs while workers, server and connections break; into perf/results."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path

import click

from harness.emulators import why_none
from perf.publish import as_markdown, provenance, publish, table
from perf.service.faults.result import figures
from perf.service.faults.run import Plan, faulty_run

BUILD = Path("build/faults")
PACKAGES = ("pawfect", "fastapi", "google-cloud-firestore", "google-cloud-pubsub",
            "gcp-storage-emulator", "nvidia-pytriton")  # fmt: skip


@click.command()
@click.option("--jobs", type=click.IntRange(1), default=Plan.jobs, show_default=True)
@click.option("--workers", type=click.IntRange(1), default=Plan.workers, show_default=True)
@click.option("--kills", type=click.IntRange(0), default=Plan.kills, show_default=True)
@click.option("--restarts", type=click.IntRange(0), default=Plan.restarts, show_default=True)
@click.option("--cuts", type=click.IntRange(0), default=Plan.cuts, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("perf/results"))
def faults(out: Path, **sizes: int) -> None:
    """Run jobs through emulators, API, workers and server while these are broken."""
    if reason := why_none():
        raise click.ClickException(reason)
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir(parents=True)
    found = figures(asyncio.run(faulty_run(Plan(**sizes), BUILD)))
    source = provenance("make faults", PACKAGES)
    rows = [
        (name.replace("_", " "), json.dumps(value) if isinstance(value, dict | list) else value)
        for name, value in found.items()
    ]
    page = f"# Jobs while everything breaks\n\n{as_markdown(source)}\n{table(('', ''), rows)}"
    publish(out, "faults", {"provenance": source, **found}, page)
    click.echo(page)
    sys.exit(bool(found["problems"]))


if __name__ == "__main__":
    faults()
