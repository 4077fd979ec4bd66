"""The benchmark's result as one page of Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from perf.bench.analyzer import Measurement
from perf.bench.goals import Goal
from perf.bench.served import Split
from perf.publish import as_markdown, table


@dataclass(frozen=True)
class Outcome:
    """All that one run found.

    Attributes:
        profile: its name.
        machine: its class, as in the history.
        source: provenance.
        measurements: perf_analyzer's.
        splits: of the orchestrators.
        goals: of serving and the budget, and what became slower than in earlier runs.
        earlier: how many runs there were to compare with.
    """

    profile: str
    machine: str
    source: Mapping[str, Any]
    measurements: Sequence[Measurement] = ()
    splits: Sequence[Split] = ()
    goals: Sequence[Goal] = ()
    earlier: int = 0

    @property
    def problems(self) -> list[str]:
        """What makes the run fail, a line each."""
        return [f"missed: {goal}" for goal in self.goals if not goal.reached]

    def as_json(self) -> dict[str, Any]:
        """Return the run as its JSON file has it."""
        return {
            "provenance": self.source,
            "perf_analyzer": [asdict(item) for item in self.measurements],
            "stages": [asdict(item) for item in self.splits],
            "goals": [asdict(goal) for goal in self.goals],
        }


def markdown(outcome: Outcome) -> str:
    """Return the result as one page."""
    against = (
        f"Compared with {outcome.earlier} earlier runs of this profile on {outcome.machine}: what "
        "is over 10 % slower than their median is a goal missed. The goals of serving are stated "
        "of the patch engine: [bench-embedded.md](bench-embedded.md).\n"
    )
    parts = [
        f"# Serving, profile `{outcome.profile}`\n",
        as_markdown(outcome.source),
        "The reference scene, 1600x1200; what FLUX's chain calls is sent what the chain asks it "
        "for, recorded from one run. Latencies are perf_analyzer's, in ms (of fewer than 20 "
        "requests p95 is the slowest, of fewer than 100 p99).\n",
        table(
            ("model", "in flight", "requests", "p50", "p95", "p99", "a second", "queue"),
            map(_measured, outcome.measurements),
        ),
        *_splits(outcome.splits),
        against,
        table(
            ("goal", "measured", "asked", "reached", "how"),
            (
                (g.name, f"{g.measured} {g.unit}", g.bound, "yes" if g.reached else "NO", g.detail)
                for g in outcome.goals
            ),
        ),
    ]  # fmt: skip
    return "\n".join(parts)


def _measured(item: Measurement) -> list[object]:
    latencies = [f"{ms:.1f}" for ms in (item.p50_ms, item.p95_ms, item.p99_ms)]
    served = [f"{item.throughput:.2f}", f"{item.queue_ms:.1f}"]
    return [f"`{item.model}`", item.concurrency, item.requests, *latencies, *served]


def _splits(splits: Sequence[Split]) -> Iterator[str]:
    if splits:
        yield (
            "Where the orchestrators' time goes: medians of their reports' stages in ms, one "
            "request at a time on the same server.\n"
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
        yield table(("model", "total", "engine or network", "stages", "fallbacks"), rows)
