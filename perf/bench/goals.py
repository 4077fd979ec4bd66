"""What a run is held to: the profile's budget and the runs before it.

The runs before are one line of JSON each in `perf/results/history.jsonl`. A run is compared with
those of the same profile on the same class of machine. A measurement counts as slower where its
median latency is more than a tenth above the median of the earlier runs' and more than three robust
standard deviations (1.4826 times the median absolute deviation) of theirs. Medians, because a few
requests' p95 is their slowest one; the runner measures what looks slower again before it says so.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pawfect.contract.tables import TableError
from perf.bench.analyzer import Measurement
from perf.publish import cpu_name

FILE: Final = "history.jsonl"
# Slower by more than this share is a regression.
MARGIN: Final = 0.10
# Earlier runs that count: the last ones, so that a machine's slow change is followed.
LAST: Final = 10
# Robust standard deviations, and what makes one of a median absolute deviation.
DEVIATIONS: Final = 3.0
MAD_TO_SIGMA: Final = 1.4826
FIGURES: Final = ("p50_ms", "p95_ms", "p99_ms", "throughput")


@dataclass(frozen=True)
class Goal:
    """One goal: what was measured against what was asked."""

    name: str
    measured: float
    unit: str
    bound: str
    reached: bool
    detail: str

    def __str__(self) -> str:
        return f"{self.name}: {self.measured} {self.unit}, expected {self.bound}: {self.detail}"


def budget_goals(measurements: Sequence[Measurement], budget: Mapping[str, int]) -> list[Goal]:
    """Return each model of a budget, ms, against it: 95 of 100 requests, one in flight.

    With more in flight a latency holds the wait for the others: that is for the queue to bound,
    not for the model.
    """
    alone = {item.model: item.p95_ms for item in measurements if item.concurrency == 1}
    return [
        Goal(f"`{name}`, p95", alone[name], "ms", f"<= {limit}", alone[name] <= limit, "the budget")
        for name, limit in budget.items()
    ]


def slower(runs: Sequence[Mapping[str, Any]], item: Measurement) -> Goal | None:
    """Return the goal that a measurement missed by being slower than before, or None.

    Args:
        runs: earlier ones, as `read_history` gives them.
        item: one measurement of this run.
    """
    key = _key(item)
    before = [run["measurements"][key]["p50_ms"] for run in runs if key in run["measurements"]]
    if not before:
        return None
    middle = statistics.median(before)
    spread = statistics.median(abs(value - middle) for value in before)
    noise = DEVIATIONS * MAD_TO_SIGMA * spread if len(before) > 2 else 0.0
    limit = max((1 + MARGIN) * middle, middle + noise)
    if item.p50_ms <= limit:
        return None
    more = 100 * (item.p50_ms / middle - 1)
    detail = f"{more:+.0f} % over the median {middle:.1f} ms of {len(before)} earlier runs"
    name = f"`{item.model}`, p50, {item.concurrency} in flight"
    return Goal(name, item.p50_ms, "ms", f"<= {limit:.1f}", False, detail)


def read_history(path: Path, profile: str, machine: str) -> list[dict[str, Any]]:
    """Return the last LAST runs of a profile on a class of machine, oldest first.

    Raises:
        TableError: a line is no run as `append` writes it.
    """
    runs = []
    for number, line in enumerate(path.read_text("utf-8").splitlines() if path.exists() else (), 1):
        try:
            run = json.loads(line)
            if (run["profile"], run["machine"]) == (profile, machine):
                float(sum(figures["p50_ms"] for figures in run["measurements"].values()))
                runs.append(run)
        except (ValueError, KeyError, TypeError) as error:
            raise TableError(f"{path.name}: line {number}", "a run", type(error).__name__) from None
    return runs[-LAST:]


def append(
    path: Path,
    profile: str,
    machine: str,
    source: Mapping[str, Any],
    measurements: Sequence[Measurement],
) -> None:
    """Add a run to a file.

    Args:
        path: of the file.
        profile: its name.
        machine: its class; see `machine_class`.
        source: the run's provenance.
        measurements: all of it.
    """
    run = {
        "date": source["date"],
        "commit": _commit(),
        "profile": profile,
        "machine": machine,
        "versions": dict(source["versions"]),
        "measurements": {
            _key(item): {name: getattr(item, name) for name in FIGURES} for item in measurements
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(run) + "\n")


def machine_class() -> str:
    """Return what figures may be compared on: the GPU where there is one, processor and cores."""
    try:
        import torch

        card = f"{torch.cuda.get_device_name()}, " if torch.cuda.is_available() else ""
    except ImportError:
        card = ""
    return f"{card}{cpu_name()}, {os.cpu_count()} cores"


def _key(item: Measurement) -> str:
    """Return what a measurement is called in the history: MODEL@REQUESTS IN FLIGHT."""
    return f"{item.model}@{item.concurrency}"


def _commit() -> str:
    """Return the tree's commit, and whether files differ from it; `unknown` without git."""
    command = ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.check_output(command, cwd=Path(__file__).parent, text=True).strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
