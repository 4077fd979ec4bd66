"""The flow of one request: clean the mask, choose the engine, fill, report."""

from __future__ import annotations

import asyncio

import cv2

from pawfect.contract.report import Fallback, Report
from pawfect.orchestrator.calls import CallModel
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.flux import fill_by_flux
from pawfect.orchestrator.job import FILL_STARTS, Job, Outcome, clean, told_by_request
from pawfect.orchestrator.patch import affordable_px, paste_fills
from pawfect.orchestrator.request import (
    InpaintRequest,
    InpaintResult,
    Notify,
    Progress,
    Setup,
    silent,
)


async def inpaint(
    request: InpaintRequest,
    setup: Setup,
    call: CallModel,
    control: Control,
    notify: Notify = silent,
) -> InpaintResult:
    """Fill what the mask covers.

    Args:
        request: photo, mask and wishes.
        setup: the profile, and what was read from its weights.
        call: calls the models of the profile.
        control: deadline, cancellation and stage times.
        notify: told after each stage, denoising step and filled window.

    Raises:
        PawfectError: INVALID_ARG for a photo, mask or PROTECT out of bounds; UNAVAILABLE for an
            engine that the profile lacks; DEADLINE, CANCELLED; or what a model answered. Where the
            request leaves the engine to us, a failure of FLUX is a fallback to patches instead.
    """
    params = request.params
    with control.stage("validate"):
        request.check_sizes()
        engine, reason = setup.profile.engine(params.engine)
    cleaned = await clean(request, call, control)
    await notify(Progress("mask_cleanup", FILL_STARTS))
    job = Job(request, cleaned, setup, call, control, notify)
    if engine == "flux":
        outcome = await fill_by_flux(job, reason)
    else:
        outcome = await _fill_by_patches(job, reason)
    return InpaintResult(outcome.image, cleaned.mask, _report(job, outcome))


async def _fill_by_patches(job: Job, reason: str) -> Outcome:
    request, cleaned = job.request, job.cleaned
    bound = request.params.window_px
    fallbacks: tuple[Fallback, ...] = ()
    affordable = affordable_px(cleaned.windows, request.params.deadline_ms)
    if affordable is not None and affordable < (bound or affordable + 1):
        short = f"deadline_ms: {request.params.deadline_ms} ms are too few for full size"
        bound = affordable
        fallbacks = (Fallback("patch_fill", short, f"filled at {affordable} px"),)
    fills = await job.fill_by_patches(bound)
    with job.control.stage("composite"):
        pasted = asyncio.to_thread(paste_fills, request.image, cleaned.mask, cleaned.windows, fills)
        image = await job.control.wait("composite", pasted)
    return job.filled_by_patches(fills, image, reason, fallbacks, told_by_request(request))


def _report(job: Job, outcome: Outcome) -> Report:
    request, cleaned, params = job.request, job.cleaned, job.request.params
    return Report(
        engine=outcome.engine,
        engine_reason=outcome.reason,
        profile=job.setup.profile.name,
        seed=params.seed,
        deadline_ms=params.deadline_ms,
        width=request.image.shape[1],
        height=request.image.shape[0],
        hole_px=cv2.countNonZero(cleaned.mask),
        dilate_px=cleaned.done["dilate_px"],
        specks=cleaned.done["specks"],
        pinholes=cleaned.done["pinholes"],
        strength=params.strength,
        windows=outcome.windows,
        stage_ms=dict(job.control.stage_ms),
        total_ms=round(job.control.elapsed_ms(), 2),
        fallbacks=outcome.fallbacks,
        **outcome.told,
    )
