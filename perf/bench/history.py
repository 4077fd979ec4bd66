"""The runs before: one line of JSON each in `perf/results/history.jsonl`, and what became slower.

A run is compared with those of the same profile on the same class of machine. A measurement counts
as slower where its median latency is more than a tenth above the median of the earlier runs' and
more than three robust standard deviations (1.4826 times the median absolute deviation) of theirs.
Medians, because a few requests' p95 is their slowest one; the runner measures what looks slower
again before it says so.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

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


class HistoryError(ValueError):
    """A history that cannot be read; the text names the line."""


@dataclass(frozen=True)
class Regression:
    """One measurement that is slower than before, ms.

    Attributes:
        model: name in the contract.
        concurrency: requests in flight.
        p50_ms: of this run.
        before_ms: median of the earlier runs' p50.
        noise_ms: three robust standard deviations of theirs; 0 with one or two runs.
        runs: earlier runs that were compared with.
    """

    model: str
    concurrency: int
    p50_ms: float
    before_ms: float
    noise_ms: float
    runs: int

    def __str__(self) -> str:
        more = 100 * (self.p50_ms / self.before_ms - 1)
        return (
            f"{self.model}, {self.concurrency} in flight: {self.p50_ms:.1f} ms, {more:+.0f} % over "
            f"the median {self.before_ms:.1f} ms of {self.runs} earlier runs "
            f"(their noise {self.noise_ms:.1f} ms)"
        )


def read_history(path: Path, profile: str, machine: str) -> list[dict[str, Any]]:
    """Return the last LAST runs of a profile on a class of machine, oldest first.

    Raises:
        HistoryError: a line is no run as `append` writes it.
    """
    runs = []
    for number, line in enumerate(path.read_text("utf-8").splitlines() if path.exists() else (), 1):
        try:
            run = json.loads(line)
            if (run["profile"], run["machine"]) == (profile, machine):
                float(sum(figures["p50_ms"] for figures in run["measurements"].values()))
                runs.append(run)
        except (ValueError, KeyError, TypeError) as error:
            message = f"{path.name}: line {number}: expected a run, got {type(error).__name__}"
            raise HistoryError(message) from None
    return runs[-LAST:]


def append(
    path: Path,
    profile: str,
    machine: str,
    source: Mapping[str, Any],
    measurements: Sequence[Measurement],
    regressions: Sequence[Regression],
) -> None:
    """Add a run to a file.

    Args:
        path: of the file.
        profile: its name.
        machine: its class; see `machine_class`.
        source: the run's provenance.
        measurements: all of it.
        regressions: what is slower than before.
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
        "regressions": [asdict(item) for item in regressions],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(run) + "\n")


def slower(runs: Sequence[Mapping[str, Any]], item: Measurement) -> Regression | None:
    """Return what became slower, or None.

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
    if item.p50_ms <= max((1 + MARGIN) * middle, middle + noise):
        return None
    return Regression(
        item.model, item.concurrency, item.p50_ms, middle, round(noise, 2), len(before)
    )


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
    """Return the tree's commit, `+` behind it where files differ from it; `unknown` without git."""

    def git(*arguments: str) -> str:
        here = Path(__file__).parent
        return subprocess.check_output(["git", *arguments], cwd=here, text=True).strip()

    try:
        head = git("rev-parse", "--short=12", "HEAD")
        changed = git("status", "--porcelain", "-uno", "--", ":/", ":!/perf/results")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}+" if changed else head
