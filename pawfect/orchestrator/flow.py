"""The flow of one request: clean the mask, choose the engine, fill, report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Final

import cv2

from pawfect.chains import CHAINS
from pawfect.contract.report import Report
from pawfect.orchestrator.calls import CallModel
from pawfect.orchestrator.chain_fill import fill_by_chain
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import Deployment
from pawfect.orchestrator.engine import Engine, Fill, Task, clean_mask
from pawfect.orchestrator.lama import fill_by_lama
from pawfect.orchestrator.patch import fill_by_patches
from pawfect.orchestrator.progress import FILL_STARTS, ProgressReporter
from pawfect.orchestrator.protecting import Protected, find_protected
from pawfect.orchestrator.request import InpaintRequest, InpaintResult, Notify, Progress, silent
from pawfect.weights.manifest import manifest

# By the names that a profile lists.
ENGINES: Final[Mapping[str, Engine]] = MappingProxyType(
    {
        **{name: partial(fill_by_chain, name) for name in CHAINS},
        "lama": fill_by_lama,
        "patch": fill_by_patches,
    }
)


async def inpaint(
    request: InpaintRequest,
    deployment: Deployment,
    call: CallModel,
    control: Control,
    notify: Notify = silent,
) -> InpaintResult:
    """Fill what the mask covers.

    Args:
        request: photo, mask and wishes.
        deployment: the profile, and what was read from its weights.
        call: calls the models of the profile.
        control: deadline, cancellation and stage times.
        notify: takes a report after each stage, denoising step and filled window.

    Raises:
        PawfectError: INVALID_ARG for a photo, mask or PROTECT out of bounds; UNAVAILABLE for an
            engine that the profile lacks; DEADLINE, CANCELLED; or what a model answered. Where the
            request leaves the engine to us, a failure of a model is a fallback to patches
            instead.
    """
    with control.stage("validate"):
        request.check_planes()
        engine, reason = deployment.engine(request.params.engine)
    protected = await find_protected(request, deployment, call, control)
    request = replace(request, protect=protected.mask)
    cleaned = await clean_mask(request, call, control)
    await notify(Progress("mask_cleanup", FILL_STARTS))
    previews = request.params.preview_every > 0
    progress = ProgressReporter(notify, request.image, cleaned.mask, previews)
    task = Task(request, cleaned, deployment, call, control, progress)
    fill = await ENGINES[engine](task)
    return InpaintResult(fill.image, cleaned.mask, _report(task, fill, reason, protected))


def licence_of(deployment: Deployment, engine: str) -> str | None:
    """Return the licence of the weights that an engine fills with."""
    deployed = deployment.chains.get(engine)
    if deployed is not None:
        return deployed.licence
    entry = deployment.profile.weights.get(engine)
    return None if entry is None else manifest()[entry].licence


def _report(task: Task, fill: Fill, reason: str, protected: Protected) -> Report:
    request, cleaned, params = task.request, task.cleaned, task.request.params
    prompting, denoising, changes = fill.prompting, fill.denoising, cleaned.changes
    return Report(
        engine=fill.engine,
        engine_reason=fill.reason or reason,
        licence=licence_of(task.deployment, fill.engine),
        profile=task.deployment.profile.name,
        seed=params.seed,
        deadline_ms=params.deadline_ms,
        width=request.image.shape[1],
        height=request.image.shape[0],
        hole_px=cv2.countNonZero(cleaned.mask),
        dilate_px=changes.dilate_px,
        least_dilate_px=changes.least_dilate_px,
        specks=changes.specks,
        least_speck_px=changes.least_speck_px,
        pinholes=changes.pinholes,
        outlines=changes.outlines,
        outlines_filled=changes.outlines_filled,
        labels=prompting.labels,
        labels_source=prompting.labels_source,
        prompt=prompting.prompt,
        prompt_source=prompting.prompt_source,
        prompt_cut=prompting.prompt_cut,
        check=fill.check,
        steps=denoising.steps,
        steps_taken=denoising.steps_taken,
        guidance_scale=denoising.guidance_scale,
        quality=denoising.quality,
        expected_ms=denoising.expected_ms,
        predicted_ms=denoising.predicted_ms,
        strength=denoising.strength if denoising.strength is not None else params.strength or 1.0,
        windows=fill.windows,
        stage_ms=task.control.stage_ms,
        total_ms=task.control.total_ms(),
        fallbacks=protected.fallbacks + fill.fallbacks,
        protect_source=protected.source,
        protect_reason=protected.reason,
        protect_confidence=protected.confidence,
        protected_share=protected.share,
        weights={**fill.weights, **protected.weights(task.deployment.finders)},
    )
