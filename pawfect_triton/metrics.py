"""Metrics of our own on Triton's metrics endpoint."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Final

from pawfect.contract.errors import ErrorKind
from pawfect.contract.report import Fallback
from pawfect.orchestrator.serving import Measure
from pawfect_triton import adapter

# Set by whoever runs the server: how often it was restarted because a model's process died.
RESTARTS_VARIABLE: Final = "PAWFECT_RESTARTS"


class RequestMetrics:
    """Counts one orchestrator's answers, their time, and the server's restarts.

    Args:
        model: the label of the counters.
    """

    def __init__(self, model: str) -> None:
        pb_utils = adapter.backend()
        counter = pb_utils.MetricFamily.COUNTER
        self._answers = pb_utils.MetricFamily(
            name="pawfect_answers_total", description="Answers by model and kind", kind=counter
        )
        self._time = pb_utils.MetricFamily(
            name="pawfect_answer_ms_total",
            description="Milliseconds from request to answer, added up",
            kind=counter,
        )
        self._restarts = pb_utils.MetricFamily(
            name="pawfect_server_restarts",
            description="Restarts of the server because a model's process died",
            kind=pb_utils.MetricFamily.GAUGE,
        )
        self._fallbacks = pb_utils.MetricFamily(
            name="pawfect_fallbacks_total",
            description="Stages that were missing or failed, and what was done instead",
            kind=counter,
        )
        self._gauges: dict[str, Any] = {}
        self._measured: dict[tuple[str, tuple[tuple[str, str], ...]], Any] = {}
        self._model = model
        self._by_kind: dict[str, Any] = {}
        self._by_fallback: dict[tuple[str, str], Any] = {}
        self._spent = self._time.Metric(labels={"model": model})
        self._restarts.Metric(labels={}).set(float(os.environ.get(RESTARTS_VARIABLE, "0")))

    def count(self, kind: ErrorKind | None) -> None:
        """Count one answer; `kind` None is a success."""
        label = "OK" if kind is None else kind.name
        if label not in self._by_kind:
            labels = {"model": self._model, "kind": label}
            self._by_kind[label] = self._answers.Metric(labels=labels)
        self._by_kind[label].increment(1)

    def spend(self, ms: float) -> None:
        """Add the time of one answer, ms."""
        self._spent.increment(ms)

    def measure(self, measures: Iterable[Measure]) -> None:
        """Set the gauges of one answer's numbers."""
        pb_utils = adapter.backend()
        for one in measures:
            key = (one.name, tuple(sorted(one.labels.items())))
            if one.name not in self._gauges:
                self._gauges[one.name] = pb_utils.MetricFamily(
                    name=f"pawfect_{one.name}",
                    description=f"{one.name} of the last answer",
                    kind=pb_utils.MetricFamily.GAUGE,
                )
            if key not in self._measured:
                labels = {"model": self._model, **one.labels}
                self._measured[key] = self._gauges[one.name].Metric(labels=labels)
            self._measured[key].set(one.value)

    def count_fallbacks(self, fallbacks: Iterable[Fallback]) -> None:
        """Count what one answer had to do without."""
        for fallback in fallbacks:
            key = (fallback.stage, fallback.instead)
            if key not in self._by_fallback:
                labels = {"model": self._model, "stage": key[0], "instead": key[1]}
                self._by_fallback[key] = self._fallbacks.Metric(labels=labels)
            self._by_fallback[key].increment(1)
