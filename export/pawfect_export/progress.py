"""Progress of a fetch: bars on a terminal, plain lines where nobody watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


class Watch(Protocol):
    """Is told how a fetch goes."""

    def say(self, line: str) -> None:
        """Tell one thing that stays true."""
        ...

    def begin(self, name: str, size: int | None, have: int) -> Callable[[int], None]:
        """Begin a file of so many bytes, of which some are there; the answer is told of more."""
        ...


class Silent:
    """Tells nobody."""

    def say(self, line: str) -> None:
        """Drop the line."""

    def begin(self, name: str, size: int | None, have: int) -> Callable[[int], None]:
        """Drop what comes."""
        return lambda more: None


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def begin(self, name: str, size: int | None, have: int) -> Callable[[int], None]:
        on = f", going on at {in_words(have)}" if have else ""
        self.say(f"fetching {name} ({in_words(size)}{on})")
        return lambda more: None


class _Bars(_Lines):
    def __init__(self, console: Console, bars: Progress) -> None:
        super().__init__(console)
        self._bars = bars

    def begin(self, name: str, size: int | None, have: int) -> Callable[[int], None]:
        bar = self._bars.add_task(name, total=size, completed=have)
        return lambda more: self._bars.advance(bar, more)


@contextmanager
def watched(console: Console) -> Iterator[Watch]:
    """Show a fetch while the block runs."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bars:
        yield _Bars(console, bars)


def in_words(size: int | None) -> str:
    """Return bytes for people, in decimal units as the hub shows them."""
    if size is None:
        return "size not known"
    amount, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.3g} {unit}"
