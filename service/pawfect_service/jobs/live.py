"""What of a run's job is told while it goes on: log lines, previews and candidates, each numbered.

It travels from worker to API in the job's own document, with the writing that extends the lease, so
that it costs no writing of its own. Each change that somebody may follow gets the next number:
whoever says up to which one it has heard misses nothing and hears nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Final, Self

from pydantic import Field, StrictFloat, StrictInt

from pawfect.contract.search_report import Candidate
from pawfect_service.jobs.fields import Count, Part, Seconds, Text, storable

# Characters of a line, and how many lines are kept, the last ones: 40 kB of a document's 1 MiB.
LONGEST_LINE: Final = 200
MOST_LINES: Final = 200
# Lines of one writing; what is more is counted.
AT_ONCE: Final = 20
# Candidates of one search: some 300 bytes each here, 1 kB and the judges' remarks in its report.
MOST_CANDIDATES: Final = 64
# Characters of why there is none.
_LONGEST_ERROR: Final = 300


class Line(Part):
    """A line of a job's log: its number, when it was written (s since the epoch), its text."""

    seq: Count
    at: Seconds
    text: Text


class LiveCandidate(Part):
    """A candidate of a search that was finished, as it compares with those before it.

    Attributes:
        seq: its number among what is told; 0: not told yet.
        number: its place in the search, from 0; its cell of the sheet.
        phase: global or local.
        parent: number of the candidate that it started from.
        seed: of its noise or its search.
        variation: how it differs from the plain try.
        scores: by axis, 0 to 10.
        potential: 0 to 10; None where no judge counts.
        above_floor: whether its local consistency reaches the floor.
        keeps_identity: of a swap, whether it is enough like the character to win.
        error: why there is none.
    """

    seq: Count = 0
    number: Count
    phase: Text
    parent: Count | None = None
    seed: Annotated[StrictInt, Field(ge=0, lt=2**63)]
    variation: Text
    scores: Mapping[Text, StrictFloat] = Field(default_factory=dict)
    potential: StrictFloat | None = None
    above_floor: bool = True
    keeps_identity: bool = True
    error: Annotated[Text, Field(max_length=_LONGEST_ERROR)] | None = None

    @classmethod
    def of(cls, found: Candidate) -> Self:
        """Return what is told of a candidate."""
        error = None if found.error is None else storable(found.error[:_LONGEST_ERROR])
        return cls(
            number=found.number,
            phase=storable(found.phase),
            parent=found.parent,
            seed=found.seed,
            variation=storable(found.variation),
            scores={storable(axis): float(score) for axis, score in found.scores.items()},
            potential=None if found.potential is None else float(found.potential),
            above_floor=found.above_floor,
            keeps_identity=found.keeps_identity,
            error=error,
        )


class LiveSheet(Part):
    """The picture in which each candidate has a cell, row by row, by its number.

    Attributes:
        planned: candidates of the whole plan.
        columns: cells of a row.
        rows: rows.
        ratio: width of a cell by its height.
    """

    planned: Annotated[Count, Field(le=MOST_CANDIDATES)]
    columns: Count
    rows: Count
    ratio: Annotated[StrictFloat, Field(gt=0)]


class Live(Part):
    """What is told of a job.

    Attributes:
        seq: the last number that was given.
        state: the number of the last change of status or progress.
        preview: the number of the last preview; None: there is none.
        lines: the last lines of the log.
        candidates: of a search's present start, in the order in which they were finished.
        sheet: the picture of those.
    """

    seq: Count = 1
    state: Count = 1
    preview: Count | None = None
    lines: Annotated[tuple[Line, ...], Field(strict=False, max_length=MOST_LINES)] = ()
    candidates: Annotated[
        tuple[LiveCandidate, ...], Field(strict=False, max_length=MOST_CANDIDATES)
    ] = ()
    sheet: LiveSheet | None = None

    def moved(self) -> Self:
        """Return it after a change of status or progress."""
        return self.model_copy(update={"seq": self.seq + 1, "state": self.seq + 1})

    def shown(self) -> Self:
        """Return it after a new preview."""
        return self.model_copy(update={"seq": self.seq + 1, "preview": self.seq + 1})

    def anew(self) -> Self:
        """Return it for another start: what the last one had made so far is gone."""
        return self.model_copy(update={"preview": None, "candidates": (), "sheet": None})

    def found(self, candidates: Iterable[LiveCandidate], sheet: LiveSheet | None) -> Self:
        """Return it after new candidates; one that is told again takes its own place.

        Args:
            candidates: in the order in which they were finished.
            sheet: the picture of them; None: as before.
        """
        new = list(candidates)
        numbered = [
            one.model_copy(update={"seq": self.seq + place}) for place, one in enumerate(new, 1)
        ]
        again = {one.number for one in numbered}
        kept = [one for one in self.candidates if one.number not in again]
        update = {"seq": self.seq + len(new), "candidates": (*kept, *numbered)[-MOST_CANDIDATES:]}
        return self.model_copy(update={**update, "sheet": sheet or self.sheet})

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
