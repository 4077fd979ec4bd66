"""The time of one request: how long each stage took, and whether its deadline has passed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from pawfect.contract.errors import ErrorKind, PawfectError

# Names a stage and measures it while it runs.
Stage = Callable[[str], AbstractContextManager[Any]]


def unmeasured(stage: str) -> AbstractContextManager[Any]:
    """Measure nothing."""
    del stage
    return nullcontext()


@dataclass
class Clock:
    """The time of one request.

    Attributes:
        deadline_ms: from its beginning to its answer.
        began: seconds that only grow.
        stage_ms: milliseconds by stage, rounded down, in the order in which they began.
    """

    deadline_ms: int
    began: float = field(default_factory=time.monotonic)
    stage_ms: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a stage, one at a time."""
        began = time.monotonic()
        yield
        self.stage_ms[name] = _floor_ms(began)

    def total_ms(self) -> float:
        """Return milliseconds since it began."""
        return _floor_ms(self.began)

    def over(self) -> bool:
        """Say whether the deadline has passed."""
        return self.total_ms() >= self.deadline_ms

    def late(self) -> PawfectError:
        """Return the error for an answer that did not come in time."""
        expected = f"expected an answer within {self.deadline_ms} ms"
        got = f"got none after {self.total_ms():.0f} ms"
        return PawfectError(ErrorKind.DEADLINE, f"deadline_ms: {expected}, {got}")


def _floor_ms(began: float) -> float:
    return math.floor(100_000 * (time.monotonic() - began)) / 100
