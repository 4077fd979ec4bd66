"""A FLUX fill and its check: a second seed where it fails, then patches."""

from __future__ import annotations

import asyncio
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.report import Fallback, WindowReport
from pawfect.orchestrator.check import problem_with
from pawfect.orchestrator.job import Outcome
from pawfect.orchestrator.painting import FluxRun, Prompting, paint
from pawfect.orchestrator.patch import seed_of
from pawfect.orchestrator.planner import Plan
from pawfect.picture.window import Window

# Of the time that a second try is expected to take by the first one's pace: as much must be left.
SECOND_TRY: Final = 1.2


async def fill_and_check(run: FluxRun, reason: str, prompting: Prompting) -> Outcome:
    """Fill by FLUX and check; try a second seed where the check fails, then fall back to patches.

    Args:
        run: the request's.
        reason: why FLUX fills.
        prompting: the surroundings and the prompt.

    Raises:
        PawfectError: what FLUX's chain raised, or CANCELLED.
    """
    job, told = run.job, run.told
    seed = job.request.params.seed
    image = await paint(run, seed, prompting)
    _tell(run)
    plan = run.plan
    found, _ = await prompting
    problem = await problem_with(run, image, found)
    if problem is not None and _time_for_another(run):
        told["check"] = problem
        run.fallbacks.append(Fallback("check", problem, "a second seed"))
        following = seed_of(seed, len(plan.canvases))
        try:
            image = await paint(run, following, prompting)
        except PawfectError as error:
            if not run.insists or error.kind in (ErrorKind.CANCELLED, ErrorKind.INVALID_ARG):
                raise
            run.fallbacks.append(Fallback("check", str(error), "the first fill"))
        else:
            _tell(run)
            seed, plan = following, run.plan
            problem = await problem_with(run, image, found)
    told["check"] = problem or ("passed" if job.setup.profile.check else None)
    if problem is not None and not run.insists:
        try:
            fills, floor = await asyncio.shield(run.patching)
        except PawfectError as error:
            if error.kind is ErrorKind.CANCELLED:
                raise
            run.fallbacks.append(Fallback("patch_fill", str(error), "flux, check failed"))
        else:
            run.fallbacks.append(Fallback("check", problem, "patch"))
            return job.filled_by_patches(fills, floor, f"flux: {problem}", run.fallbacks, told)
    return _outcome(run, image, reason, plan, seed)


def _time_for_another(run: FluxRun) -> bool:
    assert run.pace is not None
    return run.control.remaining_ms() > SECOND_TRY * run.pace.again_ms()


def _tell(run: FluxRun) -> None:
    """Write into the report how the fill came about."""
    assert run.pace is not None
    run.told |= {
        "steps": run.plan.steps,
        "steps_taken": run.pace.taken,
        "quality": run.plan.quality,
        "expected_ms": run.plan.expected_ms,
        "guidance_scale": run.sampling.guidance_scale,
        "weights": dict(run.job.setup.weights),
    }
    # Of a second seed nothing was known when the first prediction was made.
    run.told.setdefault("predicted_ms", run.pace.predicted_ms)


def _outcome(run: FluxRun, image: NDArray[np.uint8], reason: str, plan: Plan, seed: int) -> Outcome:
    windows = tuple(
        WindowReport.of(
            Window(canvas.box, window.holes), max(canvas.height, canvas.width), "flux",
            seed_of(seed, index),
        )
        for index, (canvas, window) in enumerate(
            zip(plan.canvases, run.job.cleaned.windows, strict=True)
        )
    )  # fmt: skip
    return Outcome(image, "flux", reason, windows, tuple(run.fallbacks), run.told)
