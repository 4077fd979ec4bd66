"""Which setting an audit recommends, and by which rule."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from types import MappingProxyType
from typing import Final

from perf.audit.cells import Cell, Setting
from perf.audit.journal import DONE, FAILED, FALLEN_BACK, NOT_FITTING, Record

# What counts as one unit of loss, by score. ST-LPIPS: the distance of a good fill from a smear on
# the 30 scenes of perf/results/quality.md (0.07 against 0.20). Seam: 2.3 CIE76 can just be seen on
# a smooth surface. Sharpness: half or twice the detail. Strange labels: the whole fill invented.
UNITS: Final[Mapping[str, float]] = MappingProxyType(
    {"st_lpips": 0.13, "seam_off": 2.3, "sharpness_log": 0.69, "strange": 1.0}
)
RULE: Final = (
    "Of the settings whose every cell is done (none failed, fell back or lacks room on the card) "
    "and whose slowest cell keeps the budget, the one of the lowest loss; of equal ones the "
    "faster. A cell's loss is the sum of its scores, each over its unit: "
    + ", ".join(f"{name} / {unit:g}" for name, unit in UNITS.items())
    + "; a score that a session does not have (no truth, no labels around) is left out for all its "
    "cells. A setting's loss is the mean over its sessions and seeds."
)


@dataclass(frozen=True)
class Outcome:
    """One setting over all sessions and seeds; lower is better.

    Attributes:
        setting: what was tried.
        cells: how many it has.
        done: how many gave a picture of this setting's own.
        fallen_back: how many gave another one.
        failed: how many gave none.
        not_fitting: how many the card has no room for.
        loss: mean over the cells that are done; infinite where there are none.
        mean_ms: mean time, likewise.
        slowest_ms: longest time, likewise.
        peak_mib: most memory; 0 where there are none.
        scores: mean of each.
    """

    setting: Setting
    cells: int
    done: int
    fallen_back: int
    failed: int
    not_fitting: int = 0
    loss: float = float("inf")
    mean_ms: float = float("inf")
    slowest_ms: float = float("inf")
    peak_mib: float = 0.0
    scores: Mapping[str, float] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every cell is done."""
        return self.done == self.cells


@dataclass(frozen=True)
class Choice:
    """All settings, best first, what counts as in time, and how many cells have not run."""

    outcomes: tuple[Outcome, ...]
    budget_ms: int
    missing: int

    @property
    def recommended(self) -> Outcome | None:
        """The best setting by RULE, if any."""
        return next((one for one in self.outcomes if self.in_budget(one)), None)

    def in_budget(self, one: Outcome) -> bool:
        """Say whether a setting is complete and its slowest cell keeps the budget."""
        return one.complete and one.slowest_ms <= self.budget_ms


def loss_of(record: Record) -> float:
    """Return a cell's loss, in units of UNITS."""
    return sum(record.scores[name] / unit for name, unit in UNITS.items() if name in record.scores)


def choose(cells: Iterable[Cell], records: Mapping[str, Record], budget_ms: int) -> Choice:
    """Sum up a run.

    Args:
        cells: of the matrix.
        records: of the journal, by cell identity.
        budget_ms: what the recommended setting must keep.
    """
    by_setting: dict[Setting, list[Record | None]] = defaultdict(list)
    for cell in cells:
        record = records.get(cell.identity)
        # One whose labels are still to come has not all its scores.
        by_setting[cell.setting].append(record if record and record.labelled else None)
    outcomes = [_summed(setting, rows) for setting, rows in by_setting.items()]
    outcomes.sort(key=lambda one: (not one.complete, one.loss, one.mean_ms, one.setting))
    missing = sum(row is None for rows in by_setting.values() for row in rows)
    return Choice(tuple(outcomes), budget_ms, missing)


def _summed(setting: Setting, rows: Sequence[Record | None]) -> Outcome:
    ran = [row for row in rows if row is not None]
    done = [row for row in ran if row.status == DONE]
    fallen, failed, not_fitting = (
        sum(row.status == what for row in ran) for what in (FALLEN_BACK, FAILED, NOT_FITTING)
    )
    if not done:
        return Outcome(setting, len(rows), 0, fallen, failed, not_fitting)
    names = sorted({name for row in done for name in row.scores})
    return Outcome(
        setting,
        len(rows),
        len(done),
        fallen,
        failed,
        not_fitting,
        fmean(loss_of(row) for row in done),
        fmean(row.total_ms for row in done),
        max(row.total_ms for row in done),
        max(row.peak_mib for row in done),
        {name: fmean(row.scores[name] for row in done if name in row.scores) for name in names},
    )
