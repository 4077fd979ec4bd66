"""What of a run's job is told while it goes on: log lines and previews, each with its number.

It travels from worker to API in the job's own document, with the writing that extends the lease, so
that it costs no writing of its own. Each change that somebody may follow gets the next number:
whoever says up to which one it has heard misses nothing and hears nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final, Self

from pydantic import Field

from pawfect_service.jobs.fields import Count, Part, Seconds, Text, storable

# Characters of a line, and how many lines are kept, the last ones: 40 kB of a document's 1 MiB.
LONGEST_LINE: Final = 200
MOST_LINES: Final = 200
# Lines of one writing; what is more is counted.
AT_ONCE: Final = 20


class Line(Part):
    """A line of a job's log: its number, when it was written (s since the epoch), its text."""

    seq: Count
    at: Seconds
    text: Text


class Live(Part):
    """What is told of a job.

    Attributes:
        seq: the last number that was given.
        state: the number of the last change of status or progress.
        preview: the number of the last preview; None: there is none.
        lines: the last lines of the log.
    """

    seq: Count = 1
    state: Count = 1
    preview: Count | None = None
    lines: Annotated[tuple[Line, ...], Field(strict=False, max_length=MOST_LINES)] = ()

    def moved(self) -> Self:
        """Return it after a change of status or progress."""
        return self.model_copy(update={"seq": self.seq + 1, "state": self.seq + 1})

    def shown(self) -> Self:
        """Return it after a new preview."""
        return self.model_copy(update={"seq": self.seq + 1, "preview": self.seq + 1})

    def said(self, texts: Iterable[str], at: float) -> Self:
        """Return it after new lines.

        Args:
            texts: one each; cut to what a document holds.
            at: when, s since the epoch.
        """
        new = list(texts)
        if len(new) > AT_ONCE:
            new = [*new[: AT_ONCE - 1], f"{len(new) - AT_ONCE + 1} more lines"]
        lines = [
            Line(seq=self.seq + number, at=at, text=_one_line(text))
            for number, text in enumerate(new, 1)
        ]
        kept = (*self.lines, *lines)[-MOST_LINES:]
        return self.model_copy(update={"seq": self.seq + len(lines), "lines": kept})


def _one_line(text: str) -> str:
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return storable(shown[:LONGEST_LINE])
