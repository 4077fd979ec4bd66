"""A search on the terminal: bars for tasks, candidates and the stage, or plain lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from pawfect.contract.candidates import FoundCandidate
from pawfect.contract.errors import TABLE, ErrorKind, printable
from pawfect_client.folder_display import MIXED
from pawfect_client.results import StageEvent
from pawfect_client.search.search_task import Searched, TaskShow

# Failures that a screen can show.
_SHOWN: Final = 20

Say = Callable[[str], None]


class RunShow(TaskShow, Protocol):
    """Shows how far a run is."""

    def begun(self, id_: int | str) -> None:
        """Show that a task is worked at."""
        ...

    def ended(self, searched: Searched) -> None:
        """Show what became of it."""
        ...


class Lines:
    """Says a line for each task and each candidate.

    Args:
        say: takes a line.
        count: tasks in all.
    """

    def __init__(self, say: Say, count: int) -> None:
        self._say = say
        self._count = count
        self._place = 0
        self._made = self._planned = 0
        self._id: int | str = ""

    def begun(self, id_: int | str) -> None:
        """Count the task."""
        self._place += 1
        self._id = id_

    def known(self, count: int, planned: int) -> None:
        """Say what an earlier run finished."""
        self._made, self._planned = count, planned
        if count:
            self._line(f"{count} of {planned} candidates finished before")

    def stage(self, event: StageEvent) -> None:
        """Say which candidate was finished; other stages are too many for lines."""
        if event.candidate is None:
            return
        self._made += event.candidate.candidate.error is None
        self._line(f"candidate {told_of(event.candidate)}, {self._made} of {self._planned}")

    def ended(self, searched: Searched) -> None:
        """Say what became of the task."""
        self._line(outcome(searched))

    def _line(self, text: str) -> None:
        self._say(printable(f"{self._place}/{self._count} task {self._id}: {text}"))


class Bars:
    """Three bars: tasks, candidates of this one, and the stage that it is at.

    Args:
        bars: where they are drawn.
        count: tasks in all.
    """

    def __init__(self, bars: Progress, count: int) -> None:
        self._bars = bars
        self._tasks = bars.add_task("tasks", total=count, told=f"0 of {count}")
        self._candidates = bars.add_task("candidates", total=None, told="")
        self._stage = bars.add_task("stage", total=1.0, told="")
        self._count = count
        self._ended = self._failed = 0
        self._made = self._planned = 0

    def begun(self, id_: int | str) -> None:
        """Start the lower two anew."""
        title = printable(f"candidates of task {id_}")
        self._bars.reset(self._candidates, total=None, description=title, told="")
        self._bars.reset(self._stage, total=1.0, description="reading pictures", told="")

    def known(self, count: int, planned: int) -> None:
        """Show what an earlier run finished."""
        self._made, self._planned = count, planned
        told = f"{count} of {planned}"
        self._bars.update(self._candidates, total=planned, completed=count, told=told)

    def stage(self, event: StageEvent) -> None:
        """Show a stage, or a candidate."""
        share = f"{event.progress:.0%}"
        self._bars.update(
            self._stage, description=printable(event.stage), completed=event.progress, told=share
        )
        if event.candidate is not None:
            self._made += event.candidate.candidate.error is None
            told = f"{self._made} of {self._planned}, last {told_of(event.candidate)}"
            self._bars.update(self._candidates, completed=self._made, told=printable(told))

    def ended(self, searched: Searched) -> None:
        """Count the task."""
        self._ended += 1
        self._failed += searched.error is not None
        failed = f", {self._failed} failed" if self._failed else ""
        told = f"{self._ended} of {self._count}{failed}"
        self._bars.update(self._tasks, completed=self._ended, told=told)


class Both:
    """Shows a run in two ways."""

    def __init__(self, *shows: RunShow) -> None:
        self._shows = shows

    def begun(self, id_: int | str) -> None:
        """See `RunShow`."""
        for show in self._shows:
            show.begun(id_)

    def known(self, count: int, planned: int) -> None:
        """See `TaskShow`."""
        for show in self._shows:
            show.known(count, planned)

    def stage(self, event: StageEvent) -> None:
        """See `TaskShow`."""
        for show in self._shows:
            show.stage(event)

    def ended(self, searched: Searched) -> None:
        """See `RunShow`."""
        for show in self._shows:
            show.ended(searched)


@contextmanager
def shown_run(console: Console, count: int, log: Say | None) -> Iterator[RunShow]:
    """Show a run while the block runs: bars on a terminal, else lines.

    Args:
        console: where to.
        count: tasks in all.
        log: takes the lines besides, or None.
    """
    logged = [] if log is None else [Lines(log, count)]
    if not console.is_terminal:

        def say(line: str) -> None:
            console.print(line, markup=False, highlight=False, soft_wrap=True)

        yield Both(Lines(say, count), *logged)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[told]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        yield Both(Bars(bars, count), *logged)


def told_of(found: FoundCandidate) -> str:
    """Return what a candidate is, in words."""
    one = found.candidate
    how = f"{one.number} (seed {one.seed}, {one.variation})"
    if one.error is not None:
        return f"{how} failed: {one.error}"
    return how if one.potential is None else f"{how} at {one.potential:.2f}"


def outcome(searched: Searched) -> str:
    """Return what became of a task, in words."""
    if searched.error is not None:
        return f"failed: {searched.message}"
    report = searched.report
    if report is None:
        return "complete before"
    best = report.winner
    at = "" if report.best_potential is None else f" at {report.best_potential:.2f}"
    count = len(report.candidates)
    return f"best of {count} is {best.number} (seed {best.seed}, {best.phase}){at}"


def failure_lines(failed: Sequence[Searched]) -> Iterator[str]:
    """Return what failed and why, the first of them."""
    for one in failed[:_SHOWN]:
        assert one.error is not None
        reason = f"{TABLE[one.error].meaning}: {one.message}"
        yield printable(f"pawfect: task {one.id}: {reason}")
    if len(failed) > _SHOWN:
        yield f"pawfect: and {len(failed) - _SHOWN} more failed"


def summary(out: str, searched: Sequence[Searched], count: int, *, interrupted: bool) -> str:
    """Return one line: what was searched, what was complete, what failed, what is left.

    Args:
        out: the folder of results.
        searched: what became of each task that was begun.
        count: tasks in all.
        interrupted: whether someone interrupted.
    """
    made = [one for one in searched if one.report is not None]
    whole = sum(one.report is not None and one.report.complete for one in made)
    before = sum(one.report is None and one.error is None for one in searched)
    failed = sum(one.error not in (None, ErrorKind.CANCELLED) for one in searched)
    parts = [f"{whole} of {count} tasks searched"]
    if len(made) > whole:
        parts.append(f"{len(made) - whole} not to the end, with which the same command goes on")
    if before:
        parts.append(f"{before} complete before")
    if failed:
        parts.append(f"{failed} failed")
    if interrupted:
        left = count - len(made) - before - failed
        parts.append(f"interrupted with {left} to go, with which the same command goes on")
    return printable(f"{out}: {', '.join(parts)}")


def exit_code(searched: Sequence[Searched], *, interrupted: bool) -> int:
    """Return 0, 130 after an interrupt, the code of the failures' one kind, or 1 for several."""
    if interrupted:
        return TABLE[ErrorKind.CANCELLED].exit_code
    codes = {TABLE[one.error].exit_code for one in searched if one.error is not None}
    return codes.pop() if len(codes) == 1 else MIXED * bool(codes)
