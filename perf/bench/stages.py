"""Where an orchestrator's time goes: its REPORT's milliseconds per stage, on the same server."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pawfect.contract.report import Report
from pawfect.contract.tensors import Array
from pawfect_client import PawfectClient
from pawfect_client.results import Done
from perf.bench.configs import AnalyzerConfig

# Requests whose medians are quoted, one after the other.
REQUESTS: Final = 5


@dataclass(frozen=True)
class Split:
    """Medians over a few requests of one orchestrator, one in flight.

    Attributes:
        model: inpaint or inpaint_stream.
        requests: how many.
        stage_ms: by stage, of the requests that had it; those that run side by side overlap.
        total_ms: from the request's arrival to its answer.
        engines: which engine filled how many of them.
        fallbacks: stages that were missing or failed, all requests together.
    """

    model: str
    requests: int
    stage_ms: Mapping[str, float]
    total_ms: float
    engines: Mapping[str, int]
    fallbacks: tuple[str, ...]


def measure_split(
    config: AnalyzerConfig, arrays: Mapping[str, Array], url: str, requests: int = REQUESTS
) -> Split:
    """Send what perf_analyzer sends, and read the reports.

    Args:
        config: of an orchestrator.
        arrays: its inputs by name.
        url: HOST:PORT of gRPC.
        requests: how many, at least 1.

    Raises:
        PawfectError: as the server answers.
    """
    with PawfectClient(url) as client:
        reports = [_report(client, config, arrays) for _ in range(requests)]
    return split_of(config.model, reports)


def split_of(model: str, reports: Sequence[Report]) -> Split:
    """Return the medians of reports, stages in the order in which they first came."""
    by_stage: dict[str, list[float]] = {}
    for report in reports:
        for name, ms in report.stage_ms.items():
            by_stage.setdefault(name, []).append(ms)
    engines = [report.engine for report in reports]
    return Split(
        model,
        len(reports),
        {name: round(statistics.median(values), 2) for name, values in by_stage.items()},
        round(statistics.median(report.total_ms for report in reports), 2),
        {engine: engines.count(engine) for engine in sorted(set(engines))},
        tuple(sorted({entry.stage for report in reports for entry in report.fallbacks})),
    )


def _report(client: PawfectClient, config: AnalyzerConfig, arrays: Mapping[str, Array]) -> Report:
    image, mask = arrays["IMAGE"].astype(np.uint8), arrays["MASK"].astype(np.uint8)
    labels = config.texts.get("SCENE_LABELS", ())
    if not config.streaming:
        return client.inpaint(image, mask, scene_labels=labels).report
    events = client.inpaint_stream(image, mask, scene_labels=labels)
    return next(event for event in events if isinstance(event, Done)).report
