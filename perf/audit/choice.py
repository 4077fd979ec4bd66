"""Which setting an audit recommends, and by which rule."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from types import MappingProxyType
from typing import Final

from perf.audit.cells import Cell, Setting
from perf.audit.journal import DONE, FALLEN_BACK, Record

# What counts as one unit of loss, by score. ST-LPIPS: the distance of a good fill from a smear on
# the 30 scenes of perf/results/quality.md (0.07 against 0.20). Seam: 2.3 CIE76 can just be seen on
# a smooth surface. Sharpness: half or twice the detail. Strange labels: the whole fill invented.
UNITS: Final[Mapping[str, float]] = MappingProxyType(
    {"st_lpips": 0.13, "seam_step": 2.3, "sharpness_log": 0.69, "strange": 1.0}
)
RULE: Final = (
    "Of the settings whose every cell is done (none failed, none fell back) and whose slowest cell "
    "keeps the budget, the one of the lowest loss; of equal ones the faster. A cell's loss is the "
    "sum of its scores, each over its unit: "
    + ", ".join(f"{name} / {unit:g}" for name, unit in UNITS.items())
    + "; a score that a session does not have (no truth, no labels around) is left out for all its "
    "cells. A setting's loss is the mean over its sessions and seeds."
)


@dataclass(frozen=True)
class Outcome:
    """One setting over all sessions and seeds.

    Attributes:
        setting: what was tried.
        cells: how many it has.
        done: how many gave a picture of this setting's own.
        fallen_back: how many gave another one.
        failed: how many gave none.
        loss: mean over the cells that are done; lower is better; None where there are none.
        mean_ms: mean time, likewise.
        slowest_ms: longest time, likewise.
        peak_mib: most memory, likewise.
        scores: mean of each, likewise.
        on_front: no other complete setting is both faster and better (Pareto).
        in_budget: complete, and its slowest cell keeps the budget.
    """

    setting: Setting
    cells: int
    done: int
    fallen_back: int
    failed: int
    loss: float | None = None
    mean_ms: float | None = None
    slowest_ms: float | None = None
    peak_mib: float | None = None
    scores: Mapping[str, float] | None = None
    on_front: bool = False
    in_budget: bool = False

    @property
    def complete(self) -> bool:
        """Whether every cell is done."""
        return self.done == self.cells


@dataclass(frozen=True)
class Choice:
    """All settings, best first, and the recommended one, if any."""

    outcomes: tuple[Outcome, ...]
    recommended: Outcome | None
    budget_ms: int
    missing: int

    def of(self, setting: Setting) -> Outcome | None:
        """Return a setting's outcome; None where it was not tried."""
        return next((one for one in self.outcomes if one.setting == setting), None)


def loss_of(record: Record) -> float:
    """Return a cell's loss, in units of UNITS."""
    return sum(record.scores[name] / unit for name, unit in UNITS.items() if name in record.scores)


def choose(cells: Iterable[Cell], records: Mapping[str, Record], budget_ms: int) -> Choice:
    """Sum up a run and recommend a setting by RULE.

    Args:
        cells: of the matrix.
        records: of the journal, by cell identity.
        budget_ms: what the recommended setting must keep.
    """
    by_setting: dict[Setting, list[Record | None]] = defaultdict(list)
    for cell in cells:
        by_setting[cell.setting].append(records.get(cell.identity))
    outcomes = [_summed(setting, rows, budget_ms) for setting, rows in by_setting.items()]
    front = pareto([one for one in outcomes if one.complete])
    outcomes = [Outcome(**{**vars(one), "on_front": one.setting in front}) for one in outcomes]
    outcomes.sort(key=_order)
    recommended = next((one for one in outcomes if one.in_budget), None)
    missing = sum(row is None for rows in by_setting.values() for row in rows)
    return Choice(tuple(outcomes), recommended, budget_ms, missing)


def pareto(outcomes: Sequence[Outcome]) -> set[Setting]:
    """Return the settings that no other one beats in both time and loss."""
    front = set()
    best = float("inf")
    for one in sorted(outcomes, key=lambda o: (o.mean_ms or 0.0, o.loss or 0.0)):
        if one.loss is not None and one.loss < best:
            best = one.loss
            front.add(one.setting)
    return front


def _summed(setting: Setting, rows: Sequence[Record | None], budget_ms: int) -> Outcome:
    done = [row for row in rows if row is not None and row.status == DONE]
    fallen = sum(row is not None and row.status == FALLEN_BACK for row in rows)
    failed = sum(row is not None for row in rows) - len(done) - fallen
    if not done:
        return Outcome(setting, len(rows), 0, fallen, failed)
    slowest = max(row.total_ms for row in done)
    names = sorted({name for row in done for name in row.scores})
    return Outcome(
        setting,
        len(rows),
        len(done),
        fallen,
        failed,
        loss=fmean(loss_of(row) for row in done),
        mean_ms=fmean(row.total_ms for row in done),
        slowest_ms=slowest,
        peak_mib=max(row.peak_mib for row in done),
        scores={
            name: fmean(row.scores[name] for row in done if name in row.scores) for name in names
        },
        in_budget=len(done) == len(rows) and slowest <= budget_ms,
    )


def _order(one: Outcome) -> tuple[bool, float, float, Setting]:
    """Complete ones first, then by loss, then by time; the setting itself decides the rest."""
    loss = float("inf") if one.loss is None else one.loss
    time = float("inf") if one.mean_ms is None else one.mean_ms
    return not one.complete, loss, time, one.setting
