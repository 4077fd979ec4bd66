"""The page of results: goals, halves, things, grounds and what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from perf.lettering.run import Row
from perf.lettering.signs import COUNT
from perf.publish import table

# Of the share read exactly on the truth: what has to be read exactly after correction.
READ_GOAL: Final = 0.95
# Of the look of the box written over: what the repair's look may be at most.
LOOK_GOAL: Final = 0.5
_WORST: Final = 12


@dataclass(frozen=True)
class Summary:
    """What some pictures came to.

    Attributes:
        pictures: how many.
        read_truth: share read exactly on the truth, 0 to 1.
        read_repaired: after correction.
        read_written_over: on the box written over.
        read_again: share that the product's own reader read exactly in the end.
        look: mean ST-LPIPS of the repair.
        look_written_over: of the box written over.
        look_photo: of the photo with its wrong text.
        nearer: pictures that look more like the truth than the photo with its wrong text does.
        changed_outside: pictures that changed outside the letters' neighbourhood.
    """

    pictures: int
    read_truth: float
    read_repaired: float
    read_written_over: float
    read_again: float
    look: float
    look_written_over: float
    look_photo: float
    nearer: int
    changed_outside: int


def summary(rows: Sequence[Row]) -> Summary:
    """Return what these pictures came to."""

    def mean(value: Callable[[Row], float]) -> float:
        return float(np.mean([value(row) for row in rows]))

    return Summary(
        len(rows),
        mean(lambda row: row.on_truth == row.new),
        mean(lambda row: row.on_repaired == row.new),
        mean(lambda row: row.on_written_over == row.new),
        mean(lambda row: row.read_again == row.new),
        mean(lambda row: row.look),
        mean(lambda row: row.look_written_over),
        mean(lambda row: row.look_photo),
        sum(row.look < row.look_photo for row in rows),
        sum(row.changed_outside > 0 for row in rows),
    )


def goals(rows: Sequence[Row]) -> list[tuple[str, str, str, bool]]:
    """Return each goal: what, wanted, measured, met."""
    of = summary(rows)
    share = of.read_repaired / max(of.read_truth, 1e-9)
    look = of.look / max(of.look_written_over, 1e-9)
    outside = f"{of.changed_outside} pictures"
    return [
        (
            "read exactly, of the truth's share",
            f">= {READ_GOAL:.0%}",
            f"{share:.0%}",
            share >= READ_GOAL,
        ),
        ("look, of the box written over", f"<= {LOOK_GOAL:.0%}", f"{look:.0%}", look <= LOOK_GOAL),
        ("changed outside the neighbourhood", "none", outside, of.changed_outside == 0),
    ]  # fmt: skip


def as_markdown(rows: Sequence[Row]) -> str:
    """Return the page's tables."""
    halves = list(dict.fromkeys(row.half for row in rows))
    parts = []
    for half in halves:
        own = [row for row in rows if row.half == half]
        head = ("goal", "wanted", "measured", "met")
        lines = [(*cells, _verdict(met, len(rows))) for *cells, met in goals(own)]
        parts.append(f"## {half.capitalize()}, {len(own)} pictures\n\n{table(head, lines)}")
        nearer = f"nearer to the truth than the wrong text: {summary(own).nearer} of {len(own)}"
        parts.append(f"{nearer} (by look).\n")
        parts.append(_groups(own))
    parts.append(_worst(rows))
    return "\n".join(parts)


def _verdict(met: bool, measured: int) -> str:
    """Say whether a goal is met; of a part of the pictures none is."""
    if measured < COUNT:
        return "not yet" if met else "**no**, so far"
    return "yes" if met else "**no**"


def _groups(rows: Sequence[Row]) -> str:
    """Return a table with a row for all, each thing and each typeface."""
    groups = [("all", list(rows))]
    for key in ("thing", "ground", "typeface"):
        for value in sorted({getattr(row, key) for row in rows}):
            groups.append((value, [row for row in rows if getattr(row, key) == value]))
    head = (
        "", "pictures", "read: truth", "repaired", "written over", "own reader",
        "look: repaired", "written over", "wrong text",
    )  # fmt: skip
    lines = []
    for name, own in groups:
        of = summary(own)
        reads = (of.read_truth, of.read_repaired, of.read_written_over, of.read_again)
        looks = (of.look, of.look_written_over, of.look_photo)
        shown = [f"{share:.0%}" for share in reads] + [f"{look:.3f}" for look in looks]
        lines.append((name, of.pictures, *shown))
    return table(head, lines)


def _worst(rows: Sequence[Row]) -> str:
    """Return what was misread though the truth is not, and what looks least like the truth."""
    misread = [row for row in rows if row.on_truth == row.new != row.on_repaired]
    odd = sorted(rows, key=lambda row: -row.look)[:_WORST]
    head = ("picture", "half", "typeface", "text", "read as", "look", "face", "letters cut")
    lines = [
        (row.index, row.half, row.typeface, row.new, row.on_repaired, f"{row.look:.3f}", row.font,
         len(row.reused))
        for row in dict.fromkeys([*misread, *odd])
    ]  # fmt: skip
    return f"## Misread though the truth is not, and least like the truth\n\n{table(head, lines)}"
