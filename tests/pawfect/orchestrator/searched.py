"""One search in process, in real time, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pawfect.contract.candidates import FoundCandidate, done_tensors
from pawfect.contract.errors import PawfectError
from pawfect.contract.search import SearchParams
from pawfect.contract.search_report import SearchReport
from pawfect.contract.tensors import Array
from pawfect.orchestrator import Control, Deployment, Progress
from pawfect.orchestrator.search import SearchResult, search
from pawfect.orchestrator.searching import search_request
from tests.pawfect.orchestrator.conftest import NO_HURRY_MS, Watched


@dataclass
class Searched:
    """One search's end, and what it told on the way."""

    models: Watched
    seen: list[Progress] = field(default_factory=list)
    result: SearchResult | None = None
    error: PawfectError | None = None

    @property
    def report(self) -> SearchReport:
        assert self.error is None, self.error
        assert self.result is not None
        return self.result.report

    @property
    def image(self) -> np.ndarray:
        assert self.result is not None
        return self.result.image

    @property
    def streamed(self) -> list[FoundCandidate]:
        return [one.candidate for one in self.seen if one.candidate is not None]

    @property
    def crops(self) -> dict[int, np.ndarray]:
        """What each candidate shows of the holes' box."""
        return {one.candidate.number: one.image for one in self.streamed if one.image is not None}


Search = Callable[..., Searched]


def search_once(
    inputs: dict[str, Array],
    parameters: dict[str, Any],
    deployment: Deployment,
    models: Watched,
    cancelled: Callable[[Watched], bool] | None = None,
) -> Searched:
    """Search, and assert that no task is left behind."""
    params = SearchParams.parse({"deadline_ms": NO_HURRY_MS, "dilate_px": 0} | parameters)
    done = Searched(models)

    async def notify(progress: Progress) -> None:
        done.seen.append(progress)

    async def whole() -> None:
        over = (lambda: False) if cancelled is None else (lambda: cancelled(models))
        control = Control(params.deadline_ms, over)
        try:
            request = search_request(inputs, params)
            done.result = await search(request, deployment, models, control, notify)
        except PawfectError as error:
            done.error = error
        me = asyncio.current_task()
        for _ in range(5):
            await asyncio.sleep(0)
        assert [task for task in asyncio.all_tasks() if task is not me] == []

    asyncio.run(whole())
    return done


def tree(report: SearchReport) -> list[tuple[Any, ...]]:
    """What must be the same in two runs of one request."""
    return [
        (
            one.number, one.phase, one.parent, one.seed, one.variation, dict(one.settings),
            dict(one.scores), one.potential,
        )
        for one in report.candidates
    ]  # fmt: skip


def brought(run: Searched, *numbers: int) -> dict[str, Array]:
    """The request's inputs that bring candidates of a run along."""
    kept = [one for one in run.streamed if one.candidate.number in numbers]
    return done_tensors(kept, *run.image.shape[:2])
