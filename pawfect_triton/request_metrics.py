"""What an orchestrator counts of its answers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Final

from pawfect.contract import metrics as table
from pawfect.contract.errors import ErrorKind
from pawfect.contract.metrics import METRICS
from pawfect.contract.report import Fallback
from pawfect.orchestrator.serving import Measure
from pawfect_triton.metrics import RESTARTS_VARIABLE, Meter

_PIXELS: Final = re.compile(r"\d+ px")
# The stage whose fallbacks without an error are fills that it refused.
_CHECK: Final = "check"


class RequestMetrics:
    """Counts one orchestrator's answers, their stages and times, and the server's restarts.

    Args:
        model: the label of the counters.
    """

    def __init__(self, model: str) -> None:
        self.meter = Meter(model)
        self.meter.set(table.SERVER_RESTARTS, float(os.environ.get(RESTARTS_VARIABLE, "0")))
        # A rate needs a beginning: what did not happen yet stands at 0.
        self.meter.add(table.ANSWERS, 0.0, kind="OK")
        for metric in (table.ANSWER_SECONDS, table.DEADLINE_MISSED, table.FILLS_REJECTED):
            self.meter.add(metric, 0.0)

    def count(self, kind: ErrorKind | None, late: bool = False) -> None:
        """Count one answer.

        Args:
            kind: of the error; None is a success.
            late: whether the request's deadline had passed.
        """
        self.meter.add(table.ANSWERS, kind="OK" if kind is None else kind.name)
        if late or kind is ErrorKind.DEADLINE:
            self.meter.add(table.DEADLINE_MISSED)

    def spend(self, seconds: float, stage_ms: Mapping[str, float]) -> None:
        """Add the time of one answer, s, and what its stages took of it, ms."""
        self.meter.add(table.ANSWER_SECONDS, seconds)
        for stage, ms in stage_ms.items():
            self.meter.add(table.STAGE_SECONDS, ms / 1000, stage=stage)
            self.meter.add(table.STAGES, stage=stage)

    def engine(self, name: str | None) -> None:
        """Count a result by what made it; nothing for a flow that has no engines."""
        if name is not None:
            self.meter.add(table.ENGINE_ANSWERS, engine=name)

    def measure(self, measures: Iterable[Measure]) -> None:
        """Set the gauges of one answer's numbers."""
        for one in measures:
            self.meter.set(METRICS[f"pawfect_{one.name}"], one.value, **one.labels)

    def count_fallbacks(self, fallbacks: Iterable[Fallback]) -> None:
        """Count what one answer had to do without, and the fills that were refused."""
        for fallback in fallbacks:
            # The request's sizes have many values.
            instead = _PIXELS.sub("fewer px", fallback.instead)
            self.meter.add(table.FALLBACKS, stage=fallback.stage, instead=instead)
            if fallback.stage == _CHECK and fallback.kind is None:
                self.meter.add(table.FILLS_REJECTED)
