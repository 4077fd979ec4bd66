"""A command on a folder, from its plan to its exit code."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from pawfect_client.folder import Result, Work, run_folder
from pawfect_client.folder_display import (
    exit_code,
    failure_lines,
    failures_of,
    folder_summary,
    shown_folder,
)
from pawfect_client.folder_plan import FolderPlan
from pawfect_client.folder_results import RESULTS_NAME, ResultLog


def work_at_folder(
    work: Work[Result], plan: FolderPlan, out: Path, *, in_flight: int, quiet: bool
) -> int:
    """Do a folder's pictures, say how far it is and what failed; return the exit code.

    Args:
        work: what is done to each picture.
        plan: the pictures.
        out: where the results go, with a file of what became of each.
        in_flight: pictures at a time.
        quiet: whether nothing is said but what failed.

    Raises:
        PawfectError: INVALID_ARG for a folder that cannot be written to, see `ResultLog`.
    """
    console = Console(stderr=True, quiet=quiet)
    doing, done = work.verbs
    with ResultLog(out) as log, shown_folder(console, len(plan.pictures), doing) as show:
        results, interrupted = run_folder(work, plan, log, in_flight, show)
    failures = failures_of(results, interrupted=interrupted)
    for line in failure_lines(failures):
        click.echo(line, err=True)
    if log.missing:
        lacks = f"pawfect: {RESULTS_NAME} lacks {log.missing} lines, which found no room"
        click.echo(f"{lacks}: these pictures will be {done} again", err=True)
    if not quiet:
        click.echo(folder_summary(out, done, plan, results, failures, interrupted=interrupted))
    return exit_code(failures, interrupted=interrupted)
