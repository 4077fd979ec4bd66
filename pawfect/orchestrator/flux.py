"""The engine `flux`: FLUX.1-Fill over each hole, with the patch fill as its floor."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pawfect.canvas import fit_canvas
from pawfect.errors import ErrorKind, PawfectError
from pawfect.orchestrator.check import problem_with
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.denoising import Sampling, Text, encode_text
from pawfect.orchestrator.job import Job, Outcome, told_by_request
from pawfect.orchestrator.labels import Surroundings, find_surroundings
from pawfect.orchestrator.painting import (
    FLOOR_STANDS,
    FluxRun,
    Patching,
    Prompting,
    dropped,
    paint_all,
)
from pawfect.orchestrator.patch import PatchFill, paste_fills, seed_of
from pawfect.prompting import Prompt, build_prompt
from pawfect.report import Fallback, WindowReport
from pawfect.window import Window

# Longest side, px, of the floor: as large as FLUX's own largest canvas of a 16 GB card.
FLOOR_PX: Final = 1024
# Kept free for handing over the floor where FLUX is late, ms: the report and the answer.
FLOOR_MS: Final = 200.0
# Of the time that the first try took: as much must be left for a second one.
SECOND_TRY: Final = 1.2


async def fill_by_flux(job: Job, reason: str) -> Outcome:
    """Fill by FLUX; where it fails and the request did not insist on it, by patches.

    Raises:
        PawfectError: CANCELLED; what FLUX's chain raised where the request asked for `flux`; what
            `patch_fill` raised where both failed.
    """
    fallbacks: list[Fallback] = []
    told = told_by_request(job.request)
    insists = job.request.params.engine == "flux"
    control = job.control if insists else job.control.reserving(FLOOR_MS)
    # Where FLUX cannot even begin, the patches are the fill, and not its floor.
    bound = FLOOR_PX if job.setup.schedule else None
    patching = asyncio.ensure_future(_patched(job, bound))
    try:
        try:
            return await _try_flux(job, control, reason, patching, fallbacks, told)
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
    bounds = [side for side in (bound, job.request.params.window_px) if side is not None]
    fills = await job.fill_by_patches(min(bounds, default=None), FLOOR_STANDS)
    request, cleaned = job.request, job.cleaned
    image = await asyncio.to_thread(
        paste_fills, request.image, cleaned.mask, cleaned.windows, fills
    )
    return fills, image


async def _try_flux(
    job: Job,
    control: Control,
    reason: str,
    patching: Patching,
    fallbacks: list[Fallback],
    told: dict[str, Any],
) -> Outcome:
    run = _prepared(job, control, patching, fallbacks, told)
    began = time.monotonic()
    prompting = asyncio.ensure_future(_prompted(run))
    try:
        run.prefill = await _prior(run)
        image = await paint_all(run, job.request.params.seed, prompting)
    finally:
        await dropped(prompting)
    took_ms = (time.monotonic() - began) * 1000
    told |= {
        "steps": run.sampling.steps,
        "guidance_scale": run.sampling.guidance_scale,
        "weights": dict(job.setup.weights),
    }
    return await _checked(run, image, reason, took_ms, prompting)


def _prepared(
    job: Job,
    control: Control,
    patching: Patching,
    fallbacks: list[Fallback],
    told: dict[str, Any],
) -> FluxRun:
    settings, schedule = job.setup.profile.flux, job.setup.schedule
    if settings is None or schedule is None:
        raise PawfectError(ErrorKind.UNAVAILABLE, job.setup.trouble or "the profile has no FLUX")
    params = job.request.params
    guidance = params.guidance_scale
    sampling = Sampling(
        schedule,
        settings.steps if params.steps is None else params.steps,
        settings.guidance_scale if guidance is None else guidance,
        params.strength,
        params.preview_every,
    )
    sizes = [side for side in settings.sizes if side <= (params.window_px or side)]
    height, width = job.cleaned.mask.shape
    canvases = [
        fit_canvas(window.holes, height, width, sizes or settings.sizes[:1])
        for window in job.cleaned.windows
    ]
    return FluxRun(job, control, sampling, canvases, patching, fallbacks, told)


async def _prior(run: FluxRun) -> NDArray[np.uint8] | None:
    """Wait for the patch result where denoising starts from it: UINT8 [H, W, 3]."""
    if run.sampling.first == 0:
        return None
    try:
        return (await asyncio.shield(run.patching))[1]
    except PawfectError as error:
        run.control.raise_if_over(error)
        run.fallbacks.append(Fallback("patch_fill", str(error), "strength 1"))
        run.sampling = replace(run.sampling, strength=1.0)
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


async def _checked(
    run: FluxRun,
    image: NDArray[np.uint8],
    reason: str,
    took_ms: float,
    prompting: Prompting,
) -> Outcome:
    """Check the fill; try a second seed where it fails, then fall back to patches."""
    job, told = run.job, run.told
    found, _ = await prompting
    seed = job.request.params.seed
    problem = await problem_with(run, image, found)
    if problem is not None and run.control.remaining_ms() > SECOND_TRY * took_ms:
        run.fallbacks.append(Fallback("check", problem, "a second seed"))
        told["check"] = problem
        seed = seed_of(seed, len(run.canvases))
        image = await paint_all(run, seed, prompting)
        problem = await problem_with(run, image, found)
    told["check"] = problem or ("passed" if job.setup.profile.check else None)
    if problem is not None and job.request.params.engine != "flux":
        try:
            fills, floor = await asyncio.shield(run.patching)
        except PawfectError as error:
            if error.kind is ErrorKind.CANCELLED:
                raise
            run.fallbacks.append(Fallback("patch_fill", str(error), "flux, check failed"))
        else:
            run.fallbacks.append(Fallback("check", problem, "patch"))
            return job.filled_by_patches(fills, floor, f"flux: {problem}", run.fallbacks, told)
    windows = tuple(
        WindowReport.of(
            Window(canvas.box, window.holes), max(canvas.height, canvas.width), "flux",
            seed_of(seed, index),
        )
        for index, (canvas, window) in enumerate(
            zip(run.canvases, job.cleaned.windows, strict=True)
        )
    )  # fmt: skip
    return Outcome(image, "flux", reason, windows, tuple(run.fallbacks), told)
