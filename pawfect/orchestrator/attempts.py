"""A run by a plan: by a smaller one where memory is short, in fewer steps where time is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.report import Fallback
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.denoise import Sampling
from pawfect.orchestrator.deployment import DeployedChain
from pawfect.orchestrator.engine import Denoising
from pawfect.orchestrator.pace import Pace
from pawfect.orchestrator.planner import Plan, Wish, smaller


@dataclass(frozen=True, eq=False)
class Run:
    """A picture that a run drew.

    Attributes:
        picture: UINT8 [H, W, 3].
        plan: by which it was drawn in the end.
        denoising: for the report.
        slowness: of the steps against what was expected of them; None: not measured.
        again_ms: what another run of the same plan would take.
        fallbacks: where memory or time was short.
    """

    picture: NDArray[np.uint8]
    plan: Plan
    denoising: Denoising
    slowness: float | None
    again_ms: float
    fallbacks: tuple[Fallback, ...] = ()


@dataclass(frozen=True)
class Failed:
    """Why there is no picture, and what was tried before."""

    error: PawfectError
    fallbacks: tuple[Fallback, ...] = ()


# Draws by one plan.
Draw = Callable[[Plan, Sampling, Pace], Awaitable[NDArray[np.uint8]]]


def _any(error: PawfectError) -> bool:
    del error
    return True


async def run_plans(
    deployed: DeployedChain,
    control: Control,
    wish: Wish,
    plan: Plan,
    sampling: Callable[[Plan], Sampling],
    draw: Draw,
    *,
    slowness: float | None = None,
    shrinks: Callable[[PawfectError], bool] = _any,
) -> Run | Failed:
    """Draw by a plan, and where it is out of memory by the best one that is smaller.

    Args:
        deployed: the model that denoises.
        control: the request's clock.
        wish: what is asked for.
        plan: the first.
        sampling: how a plan's canvases are denoised.
        draw: draws them.
        slowness: of an earlier run of the same request.
        shrinks: whether a smaller canvas helps where an error says that memory was short.

    Raises:
        PawfectError: CANCELLED or INVALID_ARG: the request's own doing is no failure of the model.
    """
    fallbacks: tuple[Fallback, ...] = ()
    chain, costs = deployed.chain, deployed.costs
    while True:
        pace, how = Pace(wish, plan, costs, control, slowness), sampling(plan)
        try:
            picture = await draw(plan, how, pace)
        except PawfectError as error:
            if error.kind in (ErrorKind.CANCELLED, ErrorKind.INVALID_ARG):
                raise
            less = None
            if error.kind is ErrorKind.OUT_OF_MEMORY and shrinks(error):
                less = smaller(wish, plan, costs, control.remaining_ms())
            if less is None:
                return Failed(error, fallbacks)
            fallbacks += (Fallback(chain.name, str(error), f"{less.size} px", error.kind),)
            plan, slowness = less, pace.measured_slowness
            continue
        if pace.taken < pace.planned:
            reason = f"late: {pace.taken} steps instead of {pace.planned}"
            late = Fallback(chain.transformer, reason, "fewer steps", ErrorKind.DEADLINE)
            fallbacks += (late,)
        return Run(
            picture, plan, _denoising(plan, how, pace),
            pace.measured_slowness, pace.again_ms(), fallbacks,
        )  # fmt: skip


def _denoising(plan: Plan, sampling: Sampling, pace: Pace) -> Denoising:
    return Denoising(
        steps=plan.steps,
        steps_taken=pace.taken,
        quality=plan.quality,
        expected_ms=plan.expected_ms,
        predicted_ms=pace.predicted_ms,
        guidance_scale=sampling.guidance_scale if sampling.chain.guided else None,
        strength=sampling.strength,
    )
