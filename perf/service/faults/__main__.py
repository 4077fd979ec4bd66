"""`make faults`: 200 jobs while workers, server and connections break; into perf/results."""

from __future__ import annotations

import asyncio
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import click

from harness.emulators import why_none
from perf.publish import as_markdown, provenance, publish
from perf.service.faults.plan import Plan
from perf.service.faults.result import figures, markdown
from perf.service.faults.run import faulty_run

BUILD = Path("build/faults")
PACKAGES = ("pawfect", "fastapi", "google-cloud-firestore", "google-cloud-pubsub",
            "gcp-storage-emulator", "nvidia-pytriton")  # fmt: skip


@click.command()
@click.option("--jobs", type=click.IntRange(1), default=Plan.jobs, show_default=True)
@click.option("--workers", type=click.IntRange(1), default=Plan.workers, show_default=True)
@click.option("--kills", type=click.IntRange(0), default=Plan.kills, show_default=True)
@click.option("--restarts", type=click.IntRange(0), default=Plan.restarts, show_default=True)
@click.option("--cuts", type=click.IntRange(0), default=Plan.cuts, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("perf/results"))
def faults(
    jobs: int, workers: int, kills: int, restarts: int, cuts: int, seed: int, out: Path
) -> None:
    """Run jobs through emulators, API, workers and server while these are broken."""
    if reason := why_none():
        raise click.ClickException(reason)
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir(parents=True)
    plan = replace(Plan(), jobs=jobs, workers=workers, kills=kills, restarts=restarts, cuts=cuts)
    found = figures(asyncio.run(faulty_run(plan, BUILD, seed)))
    source = provenance("make faults", PACKAGES)
    result = {"provenance": source, **found}
    page = markdown(found, as_markdown(source))
    publish(out, "faults", result, page)
    click.echo(page)
    sys.exit(bool(found["problems"]))


if __name__ == "__main__":
    faults()
