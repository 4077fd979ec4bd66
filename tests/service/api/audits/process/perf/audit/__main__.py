"""`pawfect audit` without a server: the real journal, cells that take no time, and an end to order.

It imports nothing that takes time before it runs. What a run does is its matrix's name: `three`
runs three cells; `waiting` runs one of the same and waits to be told to end; `stubborn` waits and
does not listen; `broken` fails in words; `defect` without any; `killed` dies.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

NAMES = ("three", "waiting", "stubborn", "broken", "defect", "killed")
PAGE = '<!doctype html><img src="pictures/aaaaaaaaaaaaaaaa-crop.jpg">'


@click.group()
def audit() -> None:
    pass


@audit.command()
def matrices() -> None:
    click.echo(json.dumps({name: {"profile": "tiny", "cells": 3} for name in NAMES}))


@audit.command()
@click.option("--matrix", required=True)
@click.option("--session", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path))
@click.option("--prompt", "prompts", multiple=True)
@click.option("--retry-failed", is_flag=True)
def run(
    matrix: str, session: Path, out: Path, prompts: tuple[str, ...], retry_failed: bool
) -> None:
    if matrix == "broken":
        click.echo(f"Error: {session / 'photo.jpg'}: expected a photo, got none", err=True)
        sys.exit(1)
    if matrix == "defect":
        raise RuntimeError("/srv/secret")
    from perf.audit.cells import Cell, Setting
    from perf.audit.journal import Journal

    cells = [
        Cell(Setting("tiny-flux-fill", 128, 1.0, "none", guidance, 2), "s", 0, letter * 16)
        for guidance, letter in ((4.0, "a"), (20.0, "b"), (30.0, "c"))
    ]
    with Journal(out) as journal:
        journal.begin({"cells": [asdict(cell) for cell in cells], "prompts": prompts})
        left = [cell for cell in cells if cell.identity not in journal.records]
        for cell in left if matrix == "three" else left[:1]:
            _run(cell, out, journal)
        if matrix == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if matrix == "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            (out / "deaf").touch()
        if matrix in ("waiting", "stubborn"):
            signal.signal(signal.SIGTERM, _interrupt) if matrix == "waiting" else None
            _wait()
    (out / "audit.html").write_text(PAGE)


def _run(cell: Any, out: Path, journal: Any) -> None:
    from perf.audit.journal import Record

    pictures = out / "pictures"
    pictures.mkdir(exist_ok=True)
    (pictures / f"{cell.identity}.jpg").write_bytes(cell.identity.encode())
    (pictures / f"{cell.identity}-crop.jpg").write_bytes(b"crop")
    at = "2026-01-01T00:00:00+00:00"
    report = {"total_ms": 1234.5}
    record = Record(cell.identity, cell.session, cell.seed, cell.setting, "done", at, report=report)
    journal.add(record)


def _wait() -> None:
    try:
        while True:
            time.sleep(60)
    except KeyboardInterrupt:
        sys.exit(130)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
