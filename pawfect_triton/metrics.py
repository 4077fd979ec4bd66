"""Metrics of our own on Triton's metrics endpoint: `pawfect.contract.metrics` has the table.

Triton 24.10 lets models have counters and gauges: a time is a counter of seconds beside a counter
of how often.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from pawfect.contract import metrics as table
from pawfect.contract.metrics import Metric, MetricType
from pawfect.counting import listen
from pawfect_triton import adapter

# Set by whoever runs the server: how often it was restarted because a model's process died.
RESTARTS_VARIABLE: Final = "PAWFECT_RESTARTS"
# And when it was started, s since the epoch.
STARTED_VARIABLE: Final = "PAWFECT_SERVER_STARTED"
# Label values of one metric and model, at most; what comes after them is counted as OTHER. The most
# that any has by itself are some 30 stages and 25 fallbacks.
MOST_SERIES: Final = 64
OTHER: Final = "other"


class Meter:
    """One model's metrics; safe to use from several threads.

    Args:
        model: the label that all of them have.
    """

    def __init__(self, model: str) -> None:
        self._pb_utils = adapter.backend()
        self._model = model
        self._families: dict[str, Any] = {}
        self._series: dict[tuple[str, tuple[str, ...]], Any] = {}
        self._lock = threading.Lock()
        self._answered = False
        self.add(table.OUT_OF_MEMORY, 0.0)
        self._deaf = listen(lambda metric, amount, labels: self.add(metric, amount, **labels))

    def close(self) -> None:
        """Hear no more of what the library counts."""
        self._deaf()

    def add(self, metric: Metric, amount: float = 1.0, **labels: str) -> None:
        """Add to a counter.

        Args:
            metric: of the table.
            amount: at least 0; 0 has the counter stand on the page.
            labels: the metric's, without the model.
        """
        with self._lock:
            self._one(metric, labels).increment(amount)

    def set(self, metric: Metric, value: float, **labels: str) -> None:
        """Set a gauge; arguments as in `add`."""
        with self._lock:
            self._one(metric, labels).set(value)

    def answered(self) -> None:
        """Note an answer that is no failure: the first one, a probe's perhaps, ends the start."""
        if self._answered:
            return
        self._answered = True
        started = os.environ.get(STARTED_VARIABLE)
        if started is not None:
            self.set(table.MODEL_START_SECONDS, max(time.time() - float(started), 0.0))

    def _one(self, metric: Metric, labels: Mapping[str, str]) -> Any:
        given = {"model": self._model, **labels} if "model" in metric.labels else dict(labels)
        key = (metric.name, tuple(given[name] for name in metric.labels))
        if key not in self._series:
            alike = sum(name == metric.name for name, _ in self._series)
            if alike >= MOST_SERIES:
                key = (
                    metric.name,
                    tuple(OTHER if n in labels else given[n] for n in metric.labels),
                )
            if key not in self._series:
                named = dict(zip(metric.labels, key[1], strict=True))
                self._series[key] = self._family(metric).Metric(labels=named)
        return self._series[key]

    def _family(self, metric: Metric) -> Any:
        if metric.name not in self._families:
            family = self._pb_utils.MetricFamily
            kinds = {MetricType.COUNTER: family.COUNTER, MetricType.GAUGE: family.GAUGE}
            self._families[metric.name] = family(
                name=metric.name, description=metric.meaning, kind=kinds[metric.type]
            )
        return self._families[metric.name]
