"""The check of a fill before it leaves: nothing invented, no step across the seam."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.report import Fallback
from pawfect.orchestrator.control import RESERVE_MS
from pawfect.orchestrator.labels import Surroundings, name_surfaces
from pawfect.orchestrator.painting import FluxRun
from pawfect.picture import raster
from pawfect.picture.tone import blur_known
from pawfect.scene.prompt import Label

# Reach, px, of the means that are compared across the seam: wide enough to average grain out.
SEAM_SIGMA: Final = 6.0
# Least share of a Gaussian that must lie on either side for a rim pixel to count.
LEAST_SUPPORT: Final = 0.05


def seam_step(image: NDArray[np.uint8], hole: NDArray[np.bool_]) -> float:
    """Measure the colour step across the rim of a hole.

    Args:
        image: UINT8 [H, W, 3] RGB.
        hole: [H, W].

    Returns:
        The mean distance in CIELAB (CIE76, about 2.3 is just noticeable) between local means just
        inside and just outside the rim; 0 where there is no rim.
    """
    if not hole.any() or hole.all():
        return 0.0
    at = raster.surrounding(hole, round(4 * SEAM_SIGMA))
    inside = hole[at]
    colours = raster.to_lab(np.ascontiguousarray(image[at]))
    outer, outside = blur_known(colours, ~inside, SEAM_SIGMA)
    inner, within = blur_known(colours, inside, SEAM_SIGMA)
    rim = inside & raster.grow(~inside, 1)
    rim &= (outside > LEAST_SUPPORT) & (within > LEAST_SUPPORT)
    if not rim.any():
        return 0.0
    return float(np.sqrt(((outer - inner)[rim] ** 2).sum(-1)).mean())


def strange_labels(
    inside: Sequence[Label], around: Sequence[Label], least_coverage: float
) -> tuple[str, ...]:
    """Return the labels that a fill has and its surroundings do not.

    Args:
        inside: surfaces in the fill.
        around: surfaces around it; none known: nothing is strange.
        least_coverage: share of the fill, 0 to 1, below which a label does not count.
    """
    known = {label.name for label in around}
    if not known:
        return ()
    seen = (label for label in inside if label.coverage >= least_coverage)
    return tuple(label.name for label in seen if label.name not in known)


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
