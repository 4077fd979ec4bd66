"""`pawfect inpaint` of a folder, from its plan to its exit code."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from pawfect.photo.saving import check_quality
from pawfect_client.folder import Service, fill_folder
from pawfect_client.folder_display import (
    exit_code,
    failure_lines,
    failures_of,
    folder_summary,
    shown_folder,
)
from pawfect_client.folder_plan import plan_folder
from pawfect_client.folder_results import RESULTS_NAME, ResultLog
from pawfect_client.one_file import FileRequest


def inpaint_folder(
    service: Service,
    folder: Path,
    masks: Path,
    out: Path,
    asked: FileRequest,
    *,
    in_flight: int,
    quiet: bool,
) -> int:
    """Fill a folder's pictures, say how far it is and what failed; return the exit code.

    Args:
        service: what fills.
        folder: the pictures.
        masks: their masks.
        out: where the results go, with a file of what became of each.
        asked: the same for each picture.
        in_flight: pictures at a time.
        quiet: whether nothing is said but what failed.

    Raises:
        PawfectError: INVALID_ARG for folders that cannot be read or written to; see `plan_folder`
            and `ResultLog`.
    """
    if asked.kind is not None:
        check_quality(asked.quality, asked.kind)
    plan = plan_folder(folder, masks, out, asked.kind)
    console = Console(stderr=True, quiet=quiet)
    with ResultLog(out) as log, shown_folder(console, len(plan.pictures)) as show:
        results, interrupted = fill_folder(service, plan, asked, log, in_flight, show)
    failures = failures_of(results, interrupted=interrupted)
    for line in failure_lines(failures):
        click.echo(line, err=True)
    if log.missing:
        lacks = f"pawfect: {RESULTS_NAME} lacks {log.missing} lines, which found no room"
        click.echo(f"{lacks}: these pictures will be filled again", err=True)
    if not quiet:
        click.echo(folder_summary(out, plan, results, failures, interrupted=interrupted))
    return exit_code(failures, interrupted=interrupted)
