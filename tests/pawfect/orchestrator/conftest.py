"""Requests to the tiny chain in virtual time, and what a test does to one of its models.

Models and pixels take no time at all; only a test's own delays do, and they are over at once. So
what is tested is the order of things, and a busy machine changes nothing.
"""

from __future__ import annotations

import asyncio
import gc
import pickle
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pytest

from pawfect.contract.errors import PawfectError
from pawfect.contract.parameters import InpaintParams
from pawfect.contract.report import Report
from pawfect.local import LocalModels
from pawfect.orchestrator import (
    Control,
    Deployment,
    InpaintRequest,
    InpaintResult,
    Progress,
    inpaint,
)
from tests.lawn import holes, lawn
from tests.pawfect.orchestrator.cards import in_virtual_time

# Ten minutes, the longest there is.
NO_HURRY_MS = 600_000
GRASS = ("grass",)

Before = Callable[[int], Awaitable[None]]
After = Callable[[dict[str, Any], int], dict[str, Any]]


# A small photo with a small hole: what does not ask for more is tested on it.
SMALL = lawn(96, 96)
HOLE = holes(96, 96, (40, 40, 60, 60))


def raising(error: Exception, at: int = 1, last: int = 10**9) -> Before:
    """Raise when a model is called for the nth time and until its last."""

    async def before(count: int) -> None:
        if at <= count <= last:
            raise error

    return before


def late(seconds: float, at: int = 1) -> Before:
    """Answer this much later when a model is called for the nth time and ever after."""

    async def before(count: int) -> None:
        if count >= at:
            await asyncio.sleep(seconds)

    return before


async def at_once(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Stand for `asyncio.to_thread`: virtual time does not pass while a thread works."""
    return function(*args, **kwargs)


@cache
def _seen(models: LocalModels) -> dict[bytes, dict[str, Any]]:
    """What the networks of a chain have answered, as Triton's response cache keeps it."""
    del models
    return {}


def answered(models: LocalModels, model: str, inputs: Any, parameters: Any) -> dict[str, Any]:
    """Have a model answer; a network looks once at each picture, as on a server."""
    if model not in ("onnx_networks", "face_analysis"):
        return models.run(model, inputs, parameters)
    seen, key = _seen(models), pickle.dumps(sorted(inputs.items()))
    if key not in seen:
        seen[key] = models.run(model, inputs, parameters)
    return seen[key]


class Watched:
    """The real models, counted; a test may do something before or after one of them works.

    Args:
        models: the real ones.
        before: by model, told how often the model was called.
        after: by model, returns what becomes of its outputs.
    """

    def __init__(
        self,
        models: LocalModels,
        before: dict[str, Before] | None = None,
        after: dict[str, After] | None = None,
    ) -> None:
        self._models = models
        self._before = before or {}
        self._after = after or {}
        self.called: list[str] = []
        # Inputs of the steps.
        self.steps: list[dict[str, Any]] = []
        # Texts of the calls to text encoders.
        self.prompts: list[str] = []

    async def __call__(self, model, inputs, parameters):
        if model.endswith("_transformer"):
            self.steps.append(inputs)
        if model.endswith("_text_encoder"):
            self.prompts.append(inputs["PROMPT"][0].decode())
        self.called.append(model)
        count = self.called.count(model)
        if model in self._before:
            await self._before[model](count)
        outputs = answered(self._models, model, inputs, parameters)
        return self._after[model](outputs, count) if model in self._after else outputs


@dataclass
class Run:
    """One request's end and all that was seen on the way."""

    models: Watched
    seen: list[Progress] = field(default_factory=list)
    lost: list[dict[str, Any]] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    result: InpaintResult | None = None
    error: PawfectError | None = None

    @property
    def image(self) -> np.ndarray:
        return self.filled.image

    @property
    def filled(self) -> InpaintResult:
        assert self.error is None, self.error
        assert self.result is not None
        return self.result

    @property
    def report(self) -> Report:
        return self.filled.report

    @property
    def fallbacks(self) -> list[tuple[str, str]]:
        """Each fallback's stage, and what was done instead."""
        return [(fallback.stage, fallback.instead) for fallback in self.report.fallbacks]

    def calls(self, model: str) -> int:
        return self.models.called.count(model)


@pytest.fixture
def fill(in_tiny_weights, chain):
    """Run one request on a tiny chain; no run may leave a task or a lost exception behind."""

    def run(
        photo: np.ndarray,
        mask: np.ndarray,
        *,
        deployment: Deployment = chain.deployment,
        before: dict[str, Before] | None = None,
        after: dict[str, After] | None = None,
        protect: np.ndarray | None = None,
        scene_labels: tuple[str, ...] = GRASS,
        prompt: str | None = None,
        cancelled: Callable[[Watched], bool] | None = None,
        **parameters: Any,
    ) -> Run:
        given = {"deadline_ms": NO_HURRY_MS, "steps": 3, "dilate_px": 0} | parameters
        params = InpaintParams.parse({k: v for k, v in given.items() if v is not None})
        request = InpaintRequest(photo, mask, params, protect, scene_labels, prompt)
        models = Watched(chain.models, before, after)
        done = Run(models)

        async def notify(progress: Progress) -> None:
            done.seen.append(progress)

        def work(control: Control) -> Awaitable[InpaintResult]:
            return inpaint(request, deployment, models, control, notify)

        run_to_its_end(done, work, params.deadline_ms, cancelled)
        return done

    return run


def run_to_its_end(
    done: Run,
    work: Callable[[Control], Awaitable[Any]],
    deadline_ms: int,
    cancelled: Callable[[Watched], bool] | None = None,
) -> None:
    """Run work in virtual time, and keep its result or error; it may leave nothing behind."""

    async def whole() -> None:
        loop = asyncio.get_running_loop()
        control = Control(
            deadline_ms,
            (lambda: False) if cancelled is None else (lambda: cancelled(done.models)),
            clock=loop.time,
        )
        loop.set_exception_handler(lambda _, context: done.lost.append(context))
        try:
            done.result = await work(control)
        except PawfectError as error:
            done.error = error
        # Cancelled tasks end as soon as the loop runs again.
        for _ in range(5):
            await asyncio.sleep(0)
        me = asyncio.current_task()
        done.pending = [repr(task) for task in asyncio.all_tasks() if task is not me]
        gc.collect(1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "to_thread", at_once)
        in_virtual_time(whole())
    assert done.pending == []
    assert done.lost == []
