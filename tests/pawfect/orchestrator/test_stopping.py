"""A request that is cancelled begins no further piece of work, at whatever moment that is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind
from tests.pawfect.orchestrator.conftest import HOLE, SMALL, Watched

MOMENTS = 20
SLOW = pytest.mark.slow
ENGINES = {
    "flux": {"engine": "flux", "steps": 8},
    "auto": {"engine": "auto", "steps": 8},
    "lama": {"engine": "lama"},
    "patch": {"engine": "patch"},
}


class Caller:
    """Goes away at one of the looks whether it is there.

    Args:
        look: at which; None: it stays.
    """

    def __init__(self, look: int | None = None) -> None:
        self._look = look
        self.looks = 0
        self.called: int | None = None

    def __call__(self, models: Watched) -> bool:
        self.looks += 1
        gone = self._look is not None and self.looks >= self._look
        if gone and self.called is None:
            self.called = len(models.called)
        return gone


@pytest.mark.parametrize(
    "engine",
    [pytest.param(name, marks=SLOW if name != "patch" else ()) for name in ENGINES],
)
def test_after_the_caller_has_gone_no_model_is_called(fill: Callable, engine):
    whole = Caller()
    assert fill(SMALL, HOLE, cancelled=whole, scene_labels=(), **ENGINES[engine]).filled
    moments = np.random.default_rng(14).integers(1, whole.looks + 1, MOMENTS)
    for look in sorted({int(at) for at in moments}):
        caller = Caller(look)
        run = fill(SMALL, HOLE, cancelled=caller, scene_labels=(), **ENGINES[engine])
        assert run.error is not None, look
        assert run.error.kind is ErrorKind.CANCELLED
        assert len(run.models.called) == caller.called, (look, run.models.called)
