"""Progress of a stream on the terminal: a bar, or plain lines where nobody watches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from pawfect_client.results import StageEvent

End = TypeVar("End")


class Show(Protocol):
    """Shows one stage."""

    def __call__(self, event: StageEvent) -> None:
        """Show that the stage has ended."""
        ...


@contextmanager
def shown_progress(console: Console) -> Iterator[Show]:
    """Show stages while the block runs: a bar on a terminal, else a line each."""
    if not console.is_terminal:

        def line(event: StageEvent) -> None:
            text = f"{event.stage} {event.progress:.0%}"
            console.print(text, markup=False, highlight=False, soft_wrap=True)

        yield line
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        bar = bars.add_task("sending", total=1.0)

        def update(event: StageEvent) -> None:
            bars.update(bar, description=event.stage, completed=event.progress)

        yield update


def streaming(
    stream: Callable[..., Iterable[StageEvent | End]], console: Console, end: type[End]
) -> Callable[..., End]:
    """Return what answers as a client's stream ends, and shows the stages on the way.

    Args:
        stream: a client's `inpaint_stream` or `refine_stream`.
        console: where they are shown.
        end: of such a stream.
    """

    def answer(*args: Any, **request: Any) -> End:
        with shown_progress(console) as show:
            for event in stream(*args, **request):
                if isinstance(event, end):
                    show(StageEvent("done", 1.0))
                    return event
                assert isinstance(event, StageEvent)
                show(event)
        raise AssertionError("a stream ends with its result or raises")

    return answer
