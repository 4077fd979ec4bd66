"""A run of tasks as a command does it: shown, logged, pushed, summed up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from pawfect.contract.errors import ErrorKind, PawfectError, printable
from pawfect_client.search.asked import Asked
from pawfect_client.search.display import exit_code, failure_lines, shown_run, summary
from pawfect_client.search.push import PushError, PushTarget, push_results
from pawfect_client.search.run import run_tasks
from pawfect_client.search.search_task import Searched
from pawfect_client.search.tasks import BrokenTask, Task


def make_folder(out: Path) -> None:
    """Make the folder of results; INVALID_ARG where that cannot be."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise PawfectError(
            ErrorKind.INVALID_ARG,
            f"{out.name}: expected a folder that can be written to, got {got}",
        ) from None


def run_shown(
    client: Any,
    tasks: Sequence[Task | BrokenTask],
    out: Path,
    asked: Asked,
    target: PushTarget | None,
    log: Path | None,
    *,
    quiet: bool,
) -> int:
    """Search all tasks, say what became of them, and return the exit code.

    Args:
        client: what searches.
        tasks: what is searched.
        out: folder of their folders.
        asked: what is asked of each.
        target: where complete ones are pushed to, or None.
        log: file that gets a line for each candidate and task, or None.
        quiet: whether nothing is said when all is well.
    """
    console = Console(stderr=True, quiet=quiet)
    pushed: list[str] = []

    def after(searched: Searched) -> None:
        if target is None:
            return
        try:
            pushed.append(push_results(searched, target))
        except PushError as error:
            click.echo(
                printable(f"pawfect: --push: task {searched.id}: not pushed: {error}"), err=True
            )

    with shown_run(console, len(tasks), _logger(log)) as show:
        results, interrupted = run_tasks(client, tasks, out, asked, show, after)
    for line in failure_lines([one for one in results if one.error is not None]):
        click.echo(line, err=True)
    if not quiet:
        for one in results:
            for remark in one.remarks:
                click.echo(printable(f"task {one.id}: {remark}"))
        for line in pushed:
            click.echo(printable(line))
        click.echo(summary(str(out), results, len(tasks), interrupted=interrupted))
    return exit_code(results, interrupted=interrupted)


def _logger(log: Path | None) -> Callable[[str], None] | None:
    """Return what adds lines to a file; one that finds no room is lost, the search goes on."""
    if log is None:
        return None

    def add(line: str) -> None:
        try:
            with log.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError:
            return

    return add
