"""The benchmark's result as one page of Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from perf.bench.analyzer import Measurement
from perf.bench.budget import Verdict
from perf.bench.goals import Goal
from perf.bench.history import Regression
from perf.bench.stages import Split
from perf.provenance import as_markdown

# What the page says of a profile whose first engine is FLUX.
NO_GOALS: Final = (
    "The models that FLUX's chain calls are sent what it asks them for: its canvas, noise, "
    "condition and embeddings, recorded from one run. The text encoder is asked past the response "
    "cache. The goals of serving are stated of the patch engine: "
    "[bench-embedded.md](bench-embedded.md)."
)


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
        verdicts: against the profile's budget.
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
    verdicts: Sequence[Verdict] = ()
    goals: Sequence[Goal] = ()
    regressions: Sequence[Regression] = ()
    earlier: int = 0

    @property
    def problems(self) -> list[str]:
        """What makes the run fail, a line each."""
        return [
            *(f"missed: {goal.name}" for goal in self.goals if not goal.reached),
            *(
                f"over budget: {item.model}: p95 {item.p95_ms:.0f} ms of {item.budget_ms} ms"
                for item in self.verdicts
                if not item.held
            ),
            *(f"slower: {item}" for item in self.regressions),
        ]


def markdown(outcome: Outcome) -> str:
    """Return the result as one page."""
    lines = [
        f"# Serving, profile `{outcome.profile}`",
        "",
        as_markdown(dict(outcome.source)),
        "The reference scene, 1600x1200. Latencies are perf_analyzer's, in ms (of fewer than 20 "
        "requests p95 is the slowest, of fewer than 100 p99); in process: the "
        "median of the same work as a plain Python call in the same run; serving: p50 at one in "
        "flight less that.",
        *([] if outcome.goals else [NO_GOALS]),
        "",
        "| model | in flight | requests | p50 | p95 | p99 | a second | queue | in process "
        "| serving |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for item in outcome.measurements:
        alone = outcome.in_process_ms[item.model]
        beside = f"{alone:.1f} | {item.p50_ms - alone:+.1f}" if item.concurrency == 1 else " | "
        lines.append(
            f"| `{item.model}` | {item.concurrency} | {item.requests} | {item.p50_ms:.1f} "
            f"| {item.p95_ms:.1f} | {item.p99_ms:.1f} | {item.throughput:.2f} "
            f"| {item.queue_ms:.1f} | {beside} |"
        )
    return "\n".join([*lines, *_verdicts(outcome), *_splits(outcome), *_goals(outcome),
                      *_history(outcome)]) + "\n"  # fmt: skip


def _verdicts(outcome: Outcome) -> list[str]:
    if not outcome.verdicts:
        return []
    return [
        "",
        "The profile's budget, p95 at one in flight:",
        "",
        "| model | p95, ms | budget, ms | held |",
        "|---|---|---|---|",
        *(
            f"| `{item.model}` | {item.p95_ms:.1f} | {item.budget_ms} "
            f"| {'yes' if item.held else 'NO'} |"
            for item in outcome.verdicts
        ),
    ]


def _splits(outcome: Outcome) -> list[str]:
    if not outcome.splits:
        return []
    lines = [
        "",
        "Where the orchestrators' time goes: medians of their reports' stages in ms, one request "
        "at a time on the same server. Stages that run side by side overlap.",
        "",
        "| model | total | engine | stages | fallbacks |",
        "|---|---|---|---|---|",
    ]
    for split in outcome.splits:
        stages = ", ".join(f"{name} {ms:.1f}" for name, ms in split.stage_ms.items())
        engines = ", ".join(f"{name} {count}" for name, count in split.engines.items())
        fallbacks = ", ".join(split.fallbacks) or "none"
        lines.append(
            f"| `{split.model}` | {split.total_ms:.1f} | {engines} | {stages} | {fallbacks} |"
        )
    return lines


def _goals(outcome: Outcome) -> list[str]:
    if not outcome.goals:
        return []
    return [
        "",
        "| goal | measured | asked | reached | how |",
        "|---|---|---|---|---|",
        *(
            f"| {goal.name} | {goal.measured} {goal.unit} | {goal.bound} "
            f"| {'yes' if goal.reached else 'NO'} | {goal.detail} |"
            for goal in outcome.goals
        ),
    ]


def _history(outcome: Outcome) -> list[str]:
    against = f"{outcome.earlier} earlier runs of this profile on {outcome.machine}"
    if not outcome.earlier:
        return ["", f"No earlier run of this profile on {outcome.machine} to compare with."]
    if not outcome.regressions:
        return ["", f"Nothing is over 10 % slower than the median of {against}."]
    return ["", f"Slower than {against}:", "", *(f"- {item}" for item in outcome.regressions)]
