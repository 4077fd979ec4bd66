"""The engine `flux`: FLUX.1-Fill over each hole, with the patch fill as its floor."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.report import Fallback
from pawfect.orchestrator.job import Job, Outcome, told_by_request
from pawfect.orchestrator.labels import Surroundings, find_surroundings
from pawfect.orchestrator.painting import (
    FLOOR_STANDS,
    FluxRun,
    dropped,
)
from pawfect.orchestrator.patch import PatchFill, affordable_px, paste_fills
from pawfect.orchestrator.planned import plan_for
from pawfect.orchestrator.planner import choose
from pawfect.orchestrator.stages import Text, encode_text
from pawfect.orchestrator.verdict import fill_and_check
from pawfect.scene.prompt import Prompt, build_prompt

# Longest side, px, of the floor: as large as FLUX's own largest canvas of a 16 GB card.
FLOOR_PX: Final = 1024
# Kept free for handing over the floor where FLUX is late, ms: the report and the answer.
FLOOR_MS: Final = 200.0


async def fill_by_flux(job: Job, reason: str) -> Outcome:
    """Fill by FLUX; where it fails and the request did not insist on it, by patches.

    Raises:
        PawfectError: CANCELLED; what FLUX's chain raised where the request asked for `flux`, at
            once where no plan fits its deadline; what `patch_fill` raised where both failed.
    """
    fallbacks: list[Fallback] = []
    told = told_by_request(job.request)
    insists = job.request.params.engine == "flux"
    control = job.control if insists else job.control.reserving(FLOOR_MS)
    trouble: PawfectError | None = None
    try:
        wish, plan = await asyncio.to_thread(plan_for, job, control.within_ms, fallbacks)
    except PawfectError as error:
        if insists:
            raise
        trouble = error
    # Where FLUX does not even begin, the patches are the fill, and not its floor.
    patching = asyncio.ensure_future(_patched(job, None if trouble else FLOOR_PX))
    try:
        try:
            if trouble is not None:
                raise trouble
            schedule = job.setup.schedule
            assert schedule is not None
            run = FluxRun(job, control, schedule, wish, plan, patching, fallbacks, told)
            return await _try_flux(run, reason)
        except PawfectError as error:
            if insists or error.kind in (ErrorKind.CANCELLED, ErrorKind.INVALID_ARG):
                raise
            fallbacks.append(Fallback("flux", str(error), "patch"))
            fills, image = await patching
            return job.filled_by_patches(fills, image, f"flux failed: {error}", fallbacks, told)
    finally:
        await dropped(patching)


async def _patched(job: Job, bound: int | None) -> tuple[list[PatchFill], NDArray[np.uint8]]:
    """Fill all windows by patches and composite them: UINT8 [H, W, 3]."""
    params = job.request.params
    affordable = affordable_px(job.cleaned.windows, params.deadline_ms)
    bounds = [side for side in (bound, params.window_px, affordable) if side is not None]
    fills = await job.fill_by_patches(min(bounds, default=None), FLOOR_STANDS)
    request, cleaned = job.request, job.cleaned
    image = await asyncio.to_thread(
        paste_fills, request.image, cleaned.mask, cleaned.windows, fills
    )
    return fills, image


async def _try_flux(run: FluxRun, reason: str) -> Outcome:
    prompting = asyncio.ensure_future(_prompted(run))
    try:
        run.prefill = await _prior(run)
        return await fill_and_check(run, reason, prompting)
    finally:
        await dropped(prompting)


async def _prior(run: FluxRun) -> NDArray[np.uint8] | None:
    """Wait for the patch result where denoising starts from it: UINT8 [H, W, 3]."""
    if run.wish.strength == 1:
        return None
    try:
        return (await asyncio.shield(run.patching))[1]
    except PawfectError as error:
        run.control.raise_if_over(error)
        run.fallbacks.append(Fallback("patch_fill", str(error), "strength 1"))
        run.wish = replace(run.wish, strength=1.0, prior_ms=0.0)
        run.plan = choose(run.wish, run.job.setup.costs, run.control.within_ms) or run.plan
        return None


async def _prompted(run: FluxRun) -> tuple[Surroundings, Text]:
    job = run.job
    found = await find_surroundings(job.request, job.cleaned.ring, job.setup, job.call, run.control)
    run.fallbacks.extend(found.fallbacks)
    asked = job.request.prompt
    if asked is not None and job.setup.verbatim:
        prompt = Prompt(asked, len(asked.split()), "prompt")
    else:
        prompt = build_prompt(found.labels, found.caption, asked)
    run.told |= {
        "labels": tuple(label.name for label in found.labels),
        "labels_source": found.source,
        "prompt": prompt.text,
        "prompt_source": prompt.source,
    }
    text = await encode_text(prompt.text, job.call, run.control)
    run.told["prompt_cut"] = text.cut
    return found, text
