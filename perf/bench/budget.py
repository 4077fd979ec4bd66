"""The time budget of a profile: what was promised of each model, and whether it was held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from perf.bench.analyzer import Measurement


@dataclass(frozen=True)
class Verdict:
    """One model against its budget: 95 of 100 requests, one in flight, ms."""

    model: str
    p95_ms: float
    budget_ms: int

    @property
    def held(self) -> bool:
        """Whether the 95th percentile lies within the budget."""
        return self.p95_ms <= self.budget_ms


def verdicts(measurements: Sequence[Measurement], budget: Mapping[str, int]) -> list[Verdict]:
    """Judge the measurements with one request in flight.

    With more in flight a latency holds the wait for the others: that is for the queue to bound,
    not for the model.

    Args:
        measurements: of one run.
        budget: ms by model, of the profile.

    Raises:
        ValueError: a model of the budget was not measured with one in flight.
    """
    alone = {item.model: item.p95_ms for item in measurements if item.concurrency == 1}
    lacking = sorted(set(budget) - set(alone))
    if lacking:
        raise ValueError(f"budget: expected a measurement at one in flight of {', '.join(lacking)}")
    return [Verdict(model, alone[model], limit) for model, limit in budget.items()]
