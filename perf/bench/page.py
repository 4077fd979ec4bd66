"""The benchmark's result as one page of Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from perf.bench.analyzer import Measurement
from perf.bench.goals import Goal
from perf.bench.history import Regression
from perf.bench.stages import Split
from perf.publish import as_markdown, table

# What the page says of a profile whose first engine is FLUX.
NO_GOALS: Final = (
    "The models that FLUX's chain calls are sent what it asks them for: its canvas, noise, "
    "condition and embeddings, recorded from one run. The text encoder is asked past the response "
    "cache. The goals of serving are stated of the patch engine: "
    "[bench-embedded.md](bench-embedded.md)."
)


@dataclass(frozen=True)
class Budgeted:
    """One model against its budget: 95 of 100 requests, one in flight, ms.

    With more in flight a latency holds the wait for the others: that is for the queue to bound,
    not for the model.
    """

    model: str
    p95_ms: float
    budget_ms: int

    @property
    def held(self) -> bool:
        """Whether the 95th percentile lies within the budget."""
        return self.p95_ms <= self.budget_ms


@dataclass(frozen=True)
class Outcome:
    """All that one run found.

    Attributes:
        profile: its name.
        machine: its class, as in the history.
        source: provenance.
        measurements: perf_analyzer's.
        in_process_ms: by model, the median of the same work without a server.
        splits: of the orchestrators.
        budget: of the profile, ms by model.
        goals: of the serving side.
        regressions: against earlier runs.
        earlier: how many runs there were to compare with.
    """

    profile: str
    machine: str
    source: Mapping[str, Any]
    measurements: Sequence[Measurement] = ()
    in_process_ms: Mapping[str, float] = field(default_factory=dict)
    splits: Sequence[Split] = ()
    budget: Mapping[str, int] = field(default_factory=dict)
    goals: Sequence[Goal] = ()
    regressions: Sequence[Regression] = ()
    earlier: int = 0

    @property
    def budgeted(self) -> list[Budgeted]:
        """Each model of the budget against it."""
        alone = {item.model: item.p95_ms for item in self.measurements if item.concurrency == 1}
        return [Budgeted(model, alone[model], limit) for model, limit in self.budget.items()]

    @property
    def problems(self) -> list[str]:
        """What makes the run fail, a line each."""
        return [
            *(f"missed: {goal.name}" for goal in self.goals if not goal.reached),
            *(
                f"over budget: {item.model}: p95 {item.p95_ms:.0f} ms of {item.budget_ms} ms"
                for item in self.budgeted
                if not item.held
            ),
            *(f"slower: {item}" for item in self.regressions),
        ]

    def as_json(self) -> dict[str, Any]:
        """Return the run as its JSON file has it."""
        return {
            "provenance": self.source,
            "perf_analyzer": [asdict(item) for item in self.measurements],
            "in_process_median_ms": self.in_process_ms,
            "budget": [asdict(item) | {"held": item.held} for item in self.budgeted],
            "stages": [asdict(item) for item in self.splits],
            "goals": [asdict(goal) for goal in self.goals],
            "regressions": [asdict(item) for item in self.regressions],
        }


def markdown(outcome: Outcome) -> str:
    """Return the result as one page."""
    parts = [
        f"# Serving, profile `{outcome.profile}`\n",
        as_markdown(outcome.source),
        "The reference scene, 1600x1200. Latencies are perf_analyzer's, in ms (of fewer than 20 "
        "requests p95 is the slowest, of fewer than 100 p99); in process: the median of the same "
        "work as a plain Python call in the same run; serving: p50 at one in flight less that.\n",
        *([] if outcome.goals else [f"{NO_GOALS}\n"]),
        table(
            ("model", "in flight", "requests", "p50", "p95", "p99", "a second", "queue",
             "in process", "serving"),
            (_measured(item, outcome.in_process_ms[item.model]) for item in outcome.measurements),
        ),
        *_budget(outcome.budgeted),
        *_splits(outcome.splits),
        *_goals(outcome.goals),
        _history(outcome),
    ]  # fmt: skip
    return "\n".join(parts)


def _measured(item: Measurement, alone: float) -> list[object]:
    latencies = [f"{ms:.1f}" for ms in (item.p50_ms, item.p95_ms, item.p99_ms)]
    one = item.concurrency == 1
    beside = [f"{alone:.1f}", f"{item.p50_ms - alone:+.1f}"] if one else ["", ""]
    served = [f"{item.throughput:.2f}", f"{item.queue_ms:.1f}"]
    return [f"`{item.model}`", item.concurrency, item.requests, *latencies, *served, *beside]


def _budget(budgeted: Sequence[Budgeted]) -> Iterator[str]:
    if budgeted:
        yield "The profile's budget, p95 at one in flight:\n"
        rows = [
            (f"`{i.model}`", f"{i.p95_ms:.1f}", i.budget_ms, "yes" if i.held else "NO")
            for i in budgeted
        ]
        yield table(("model", "p95, ms", "budget, ms", "held"), rows)


def _splits(splits: Sequence[Split]) -> Iterator[str]:
    if splits:
        yield (
            "Where the orchestrators' time goes: medians of their reports' stages in ms, one "
            "request at a time on the same server. Stages that run side by side overlap.\n"
        )
        rows = [
            (
                f"`{split.model}`",
                f"{split.total_ms:.1f}",
                ", ".join(f"{name} {count}" for name, count in split.engines.items()),
                ", ".join(f"{name} {ms:.1f}" for name, ms in split.stage_ms.items()),
                ", ".join(split.fallbacks) or "none",
            )
            for split in splits
        ]
        yield table(("model", "total", "engine", "stages", "fallbacks"), rows)


def _goals(goals: Sequence[Goal]) -> Iterator[str]:
    if goals:
        rows = [
            (g.name, f"{g.measured} {g.unit}", g.bound, "yes" if g.reached else "NO", g.detail)
            for g in goals
        ]
        yield table(("goal", "measured", "asked", "reached", "how"), rows)


def _history(outcome: Outcome) -> str:
    against = f"{outcome.earlier} earlier runs of this profile on {outcome.machine}"
    if not outcome.earlier:
        return f"No earlier run of this profile on {outcome.machine} to compare with.\n"
    if not outcome.regressions:
        return f"Nothing is over 10 % slower than the median of {against}.\n"
    listed = "\n".join(f"- {item}" for item in outcome.regressions)
    return f"Slower than {against}:\n\n{listed}\n"
