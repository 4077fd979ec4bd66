"""The runs before: one line of JSON each in `perf/results/history.jsonl`, and what became slower.

A run is compared with those of the same profile on the same class of machine. A measurement counts
as slower where its median latency is more than a tenth above the median of the earlier runs' and
more than three robust standard deviations (1.4826 times the median absolute deviation) of theirs.
Medians, because a few requests' p95 is their slowest one; the runner measures what looks slower
again before it says so.
"""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from perf.bench.analyzer import Measurement

FILE: Final = "history.jsonl"
# Slower by more than this share is a regression.
MARGIN: Final = 0.10
# Earlier runs that count: the last so many, so that a machine's slow change is followed.
LAST: Final = 10
# Robust standard deviations, and what makes one of a median absolute deviation.
DEVIATIONS: Final = 3.0
MAD_TO_SIGMA: Final = 1.4826
KEYS: Final = frozenset(
    {"date", "commit", "profile", "machine", "versions", "measurements", "regressions"}
)
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


def read_history(path: Path) -> list[dict[str, Any]]:
    """Return the runs of a file, oldest first; none where there is no file.

    Raises:
        HistoryError: a line is no run as `append` writes it.
    """
    if not path.exists():
        return []
    runs = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        try:
            run = json.loads(line)
        except ValueError:
            raise HistoryError(f"{path.name}: line {number}: expected JSON") from None
        if not isinstance(run, dict) or set(run) != KEYS or not _readable(run["measurements"]):
            raise HistoryError(f"{path.name}: line {number}: expected a run with {sorted(KEYS)}")
        runs.append(run)
    return runs


def append(path: Path, run: Mapping[str, Any]) -> None:
    """Add a run, as `record` makes it, to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(run) + "\n")


def record(
    profile: str,
    machine: str,
    source: Mapping[str, Any],
    measurements: Sequence[Measurement],
    regressions: Sequence[Regression],
) -> dict[str, Any]:
    """Return a run as the history keeps it.

    Args:
        profile: its name.
        machine: its class; see `perf.bench.preflight.machine_class`.
        source: the run's provenance.
        measurements: all of it.
        regressions: what is slower than before.
    """
    return {
        "date": source["date"],
        "commit": commit(),
        "profile": profile,
        "machine": machine,
        "versions": dict(source["versions"]),
        "measurements": {key_of(item): _figures(item) for item in measurements},
        "regressions": [asdict(item) for item in regressions],
    }


def comparable(
    runs: Sequence[Mapping[str, Any]], profile: str, machine: str
) -> list[Mapping[str, Any]]:
    """Return the runs of this profile on this class of machine, the last LAST of them."""
    return [run for run in runs if (run["profile"], run["machine"]) == (profile, machine)][-LAST:]


def slower(runs: Sequence[Mapping[str, Any]], item: Measurement) -> Regression | None:
    """Return what became slower, or None.

    Args:
        runs: earlier ones that `comparable` gave.
        item: one measurement of this run.
    """
    key = key_of(item)
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


def key_of(item: Measurement) -> str:
    """Return what a measurement is called in the history: MODEL@REQUESTS IN FLIGHT."""
    return f"{item.model}@{item.concurrency}"


def commit() -> str:
    """Return the tree's commit, `+` behind it where files differ from it; `unknown` without git."""
    here = Path(__file__).parent
    try:
        head, changed = (
            subprocess.run(
                ["git", *arguments], cwd=here, capture_output=True, text=True, check=True
            ).stdout.strip()
            for arguments in (
                ("rev-parse", "--short=12", "HEAD"),
                ("status", "--porcelain", "--untracked-files=no", "--", ":/", ":!/perf/results"),
            )
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}+" if changed else head


def _figures(item: Measurement) -> dict[str, float]:
    return {name: getattr(item, name) for name in FIGURES}


def _readable(measurements: Any) -> bool:
    return isinstance(measurements, dict) and all(
        isinstance(figures, dict) and isinstance(figures.get("p50_ms"), int | float)
        for figures in measurements.values()
    )
