"""A folder on the terminal: how far it is, and at its end what was done and what failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from pawfect.contract.errors import TABLE, ErrorKind, printable
from pawfect_client.folder_plan import FolderPlan
from pawfect_client.folder_results import RESULTS_NAME, PictureResult

# Failures that a screen can show; all stand in the file of results.
_SHOWN: Final = 20
# Of a run whose failures are of several kinds: none of their own codes would be right.
MIXED: Final = 1


@contextmanager
def shown_folder(
    console: Console, count: int, doing: str
) -> Iterator[Callable[[PictureResult], None]]:
    """Show results while the block runs: a bar on a terminal, else a line each.

    Args:
        console: where to.
        count: pictures in all.
        doing: what is done to them, such as filling.
    """
    if not console.is_terminal:
        begun = iter(range(1, count + 1))

        def line(result: PictureResult) -> None:
            text = f"{next(begun)}/{count} {printable(result.input)}: {_outcome(result)}"
            console.print(text, markup=False, highlight=False, soft_wrap=True)

        yield line
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        bar = bars.add_task(doing, total=count)
        failures = 0

        def update(result: PictureResult) -> None:
            nonlocal failures
            failures += result.error is not None
            told = f"{doing}, {failures} failed" if failures else doing
            bars.update(bar, description=told, advance=1)

        yield update


def _outcome(result: PictureResult) -> str:
    if result.error is not None:
        return "failed"
    if result.ms is None:
        return "done before"
    return f"{result.how()} in {result.ms / 1000:.1f} s"


def folder_summary(
    out: Path,
    done: str,
    plan: FolderPlan,
    results: Sequence[PictureResult],
    failures: Sequence[PictureResult],
    *,
    interrupted: bool,
) -> str:
    """Return one line: what was done, such as filled, what was not, and what was passed over."""
    made = sum(result.made for result in results)
    before = sum(not result.made and result.error is None for result in results)
    parts = [f"{made} of {len(plan.pictures)} pictures {done}"]
    if before:
        parts.append(f"{before} done before")
    if failures:
        parts.append(f"{len(failures)} failed")
    if interrupted:
        left = len(plan.pictures) - made - before - len(failures)
        parts.append(f"interrupted with {left} to go, with which the same command goes on")
    if told := sum(bool(result.remarks) for result in results):
        parts.append(f"remarks on {told} in {RESULTS_NAME}")
    if plan.others:
        parts.append(f"{plan.others} other files left alone")
    if plan.unused:
        parts.append(f"{plan.unused} masks not used")
    return printable(f"{out}: {', '.join(parts)}")


def failures_of(results: Sequence[PictureResult], *, interrupted: bool) -> Sequence[PictureResult]:
    """Return what failed by itself, rather than at the hands of who interrupted; by name."""
    stopped = {None, ErrorKind.CANCELLED} if interrupted else {None}
    failures = (result for result in results if result.error not in stopped)
    return sorted(failures, key=lambda result: result.input)


def failure_lines(failures: Sequence[PictureResult]) -> Iterator[str]:
    """Return what failed and why: how many of each kind, then the first by name."""
    kinds = Counter(result.error for result in failures)
    for kind, count in kinds.most_common():
        assert kind is not None
        yield f"pawfect: {count} failed, {TABLE[kind].meaning} ({kind.value})"
    for result in failures[:_SHOWN]:
        reason = (result.message or "").removeprefix(f"{result.input}: ")
        yield f"  {printable(result.input)}: {printable(reason)}"
    if len(failures) > _SHOWN:
        yield f"  and {len(failures) - _SHOWN} more, which stand in {RESULTS_NAME}"


def exit_code(failures: Sequence[PictureResult], *, interrupted: bool) -> int:
    """Return 0, 130 after an interrupt, the code of the failures' one kind, or 1 for several."""
    if interrupted:
        return TABLE[ErrorKind.CANCELLED].exit_code
    codes = {TABLE[result.error].exit_code for result in failures if result.error is not None}
    return codes.pop() if len(codes) == 1 else MIXED * bool(codes)
