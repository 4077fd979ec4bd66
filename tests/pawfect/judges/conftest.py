"""Judges on loopback, and what they are shown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pawfect.contract.errors import PawfectError
from pawfect.contract.scores import Judgement
from pawfect.judges.asking import Asker
from pawfect.judges.pictures import Shown, shown
from pawfect.judges.rubric import rubric
from pawfect.judges.settings import JudgeSettings, RemoteModel
from pawfect.remote.budget import Allowance
from tests.judge_servers import KEY, GeminiServer, JudgeServer, MoondreamServer
from tests.lawn import holes, lawn

HEIGHT, WIDTH = 200, 260
ORIGINAL = lawn(HEIGHT, WIDTH)
RESULT = lawn(HEIGHT, WIDTH, seed=8)
MASK = holes(HEIGHT, WIDTH, (100, 80, 150, 120))
REFERENCE = lawn(90, 120, seed=5)


@pytest.fixture
def gemini() -> Iterator[GeminiServer]:
    with GeminiServer().serving() as server:
        yield server


@pytest.fixture
def moondream() -> Iterator[MoondreamServer]:
    with MoondreamServer().serving() as server:
        yield server


def settings_of(judge: str, **changes: Any) -> JudgeSettings:
    given = {
        "judge": judge,
        "key": KEY,
        "models": (RemoteModel("first-1", 0.01), RemoteModel("second-2", 0.002)),
        "allowance": Allowance(100, "DAILY", 100.0, "USD"),
        "timeout_s": 60,
    }
    return JudgeSettings(**(given | changes))


def judge_of(kind: type, server: JudgeServer, **changes: Any) -> Any:
    """A judge whose repeats come at once."""
    given = {"url": server.url} | changes
    settings = settings_of(kind.__name__.lower(), **given)
    return kind(settings, rubric(), Asker(settings, jitter=lambda: 0.0, pause_s=0.002))


def judged(
    kind: type, server: JudgeServer, reference: bool = False, seconds: float = 60, **changes: Any
) -> Judgement:
    judge = judge_of(kind, server, **changes)
    return asyncio.run(judge.judge(pictures(reference), within(seconds)))


def failure(kind: type, server: JudgeServer, seconds: float = 60, **changes: Any) -> PawfectError:
    with pytest.raises(PawfectError) as caught:
        judged(kind, server, seconds=seconds, **changes)
    assert KEY not in str(caught.value)
    return caught.value


def pictures(reference: bool = False) -> Shown:
    return shown(RESULT, ORIGINAL, MASK, REFERENCE if reference else None)


def within(seconds: float) -> float:
    return time.monotonic() + seconds


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two pictures are the same but for JPEG, which costs a lawn some 9 levels of 256."""
    return one.shape == other.shape and np.abs(one.astype(int) - other).mean() < 14
