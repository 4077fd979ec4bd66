"""The check of a fill before it leaves: nothing invented, no step across the seam."""

from __future__ import annotations

import asyncio

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.report import Fallback
from pawfect.orchestrator.control import RESERVE_MS
from pawfect.orchestrator.labels import Surroundings, name_surfaces
from pawfect.orchestrator.painting import FluxRun
from pawfect.scores.labels import strange_labels
from pawfect.scores.seam import seam_step


async def problem_with(run: FluxRun, image: NDArray[np.uint8], found: Surroundings) -> str | None:
    """Return what is wrong with a fill, UINT8 [H, W, 3], or None.

    A step across the seam that is within the profile's bound by itself needs no comparison: the
    patch fill, which takes its time, is waited for only where the step is larger.
    """
    job, limits = run.job, run.job.setup.profile.check
    if limits is None:
        return None
    hole = job.cleaned.mask > 0
    with run.control.stage("check"):
        step = await asyncio.to_thread(seam_step, image, hole)
    allowed = limits.seam_step
    if step > allowed and (floor := await _floor_in_time(run)) is not None:
        with run.control.stage("check"):
            allowed += await asyncio.to_thread(seam_step, floor, hole)
    if step > allowed:
        return f"seam step {step:.1f}, expected at most {allowed:.1f}"
    if job.setup.profile.sam3 is None or not found.labels:
        return None
    try:
        inside = await name_surfaces(image, job.cleaned.mask, job.setup, job.call, run.control)
    except PawfectError as error:
        if error.kind is ErrorKind.CANCELLED:
            raise
        run.fallbacks.append(Fallback("check", str(error), "seam only"))
        return None
    strange = strange_labels(inside, found.labels, limits.strange_coverage)
    return f"the fill shows {', '.join(strange)}" if strange else None


async def _floor_in_time(run: FluxRun) -> NDArray[np.uint8] | None:
    """Wait for the patch result while there is time for a check: UINT8 [H, W, 3], or None."""
    patience_ms = max(run.control.remaining_ms() - RESERVE_MS, 0.0)
    done, _ = await asyncio.wait({run.patching}, timeout=patience_ms / 1000)
    if not done:
        return None
    try:
        return run.patching.result()[1]
    except PawfectError as error:
        if error.kind is ErrorKind.CANCELLED:
            raise
        return None
