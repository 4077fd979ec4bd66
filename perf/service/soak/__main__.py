"""`make soak MINUTES=30 SEED=1`: all kinds of jobs while everything breaks; into perf/results."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

import pawfect
from perf.publish import given_command, provenance, publish
from perf.service.soak.result import figures, page
from perf.service.soak.run import Found, Plan, soak

_ROOT = Path(__file__).resolve().parents[3]
BUILD = Path("build/soak")
PACKAGES = ("pawfect", "fastapi", "uvicorn", "httpx", "numpy", "pillow", "nvidia-pytriton")


@click.command()
@click.option("--minutes", type=click.FloatRange(1.2, 240), default=Plan.minutes, show_default=True)
@click.option("--seed", type=int, default=Plan.seed, show_default=True)
@click.option("--clients", type=click.IntRange(1), default=Plan.clients, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("perf/results"))
def main(minutes: float, seed: int, clients: int, out: Path) -> None:
    """Run all kinds of jobs on this machine, break what can be broken, and look what is left."""
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir(parents=True)
    found = asyncio.run(_until_told(Plan(minutes, seed, clients)))
    source = provenance(given_command("python -m perf.service.soak"), PACKAGES)
    source |= {"commit": commit(), **found.means}
    source["versions"] |= version_of_code(source["commit"])
    result = figures(found)
    publish(out, "soak", {"provenance": source, **result}, page(source, result))
    click.echo(page(source, result))
    sys.exit(bool(result["missed"]))


async def _until_told(plan: Plan) -> Found:
    """Run it; SIGTERM and SIGINT end it early, and it cleans up and writes what it has."""
    running = asyncio.create_task(soak(plan, BUILD))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    return await running


def commit() -> str:
    """Return the commit that ran, and whether files were changed since."""

    def git(*words: str) -> str:
        asked: Any = subprocess.run(
            ["git", *words], capture_output=True, text=True, check=False, cwd=Path(__file__).parent
        )
        return str(asked.stdout).strip()

    changed = " with changes" if git("status", "--porcelain", "--untracked-files=no") else ""
    return (git("rev-parse", "--short", "HEAD") or "unknown") + changed


def version_of_code(commit: str) -> dict[str, str]:
    """Return the version of the package that ran, where that is not the one that is installed.

    A checkout's code is at its commit; the installed version says when it was installed.
    """
    code = Path(pawfect.__file__).resolve()
    return {"pawfect": f"at {commit}"} if code.is_relative_to(_ROOT) else {}


if __name__ == "__main__":
    main()
