"""The check of a fill before it leaves: nothing invented, no step across the seam."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.report import Fallback
from pawfect.orchestrator import budget
from pawfect.orchestrator.engine import Task
from pawfect.orchestrator.patched import Patched
from pawfect.orchestrator.surroundings import Surroundings, name_surfaces
from pawfect.scores.labels import strange_labels
from pawfect.scores.seam import seam_step


@dataclass(frozen=True)
class CheckResult:
    """What is wrong with a fill, or None, and what the check had to do without."""

    problem: str | None = None
    fallbacks: tuple[Fallback, ...] = ()


async def check_fill(
    task: Task,
    image: NDArray[np.uint8],
    found: Surroundings,
    floor: asyncio.Future[Patched],
) -> CheckResult:
    """Check a generated fill by the profile's bounds.

    A step across the seam that is within the bound by itself needs no comparison: the patch fill,
    which takes its time, is waited for only where the step is larger.

    Args:
        task: the request.
        image: UINT8 [H, W, 3], the photo with the fill.
        found: what surrounds the holes.
        floor: the photo filled by patches, against whose seam this one's is measured.
    """
    profile, mask = task.deployment.profile, task.cleaned.mask
    if profile.check is None:
        return CheckResult()
    hole = mask > 0
    with task.control.stage("check"):
        step = await asyncio.to_thread(seam_step, image, hole)
    allowed = profile.check.seam_step
    if step > allowed and (patched := await _in_time(task, floor)) is not None:
        with task.control.stage("check"):
            allowed += await asyncio.to_thread(seam_step, patched.image, hole)
    if step > allowed:
        return CheckResult(f"seam step {step:.1f}, expected at most {allowed:.1f}")
    if profile.sam3 is None or not found.labels:
        return CheckResult()
    try:
        inside = await name_surfaces(task, image, mask)
    except PawfectError as error:
        if error.kind is ErrorKind.CANCELLED:
            raise
        failed = Fallback("check", str(error), "seam only", error.kind)
        return CheckResult(fallbacks=(failed,))
    strange = strange_labels(inside, found.labels, profile.check.strange_coverage)
    return CheckResult(f"the fill shows {', '.join(strange)}" if strange else None)


async def _in_time(task: Task, floor: asyncio.Future[Patched]) -> Patched | None:
    """Wait for the patch result while there is time for a check; None where there is none."""
    patience_ms = max(task.control.remaining_ms() - budget.RESERVE_MS, 0.0)
    done, _ = await asyncio.wait({floor}, timeout=patience_ms / 1000)
    if not done:
        return None
    try:
        return floor.result()
    except PawfectError as error:
        if error.kind is ErrorKind.CANCELLED:
            raise
        return None
