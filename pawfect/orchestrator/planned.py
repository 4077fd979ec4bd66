"""From a request with its windows to the plan of its FLUX fill."""

from __future__ import annotations

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.report import Fallback
from pawfect.orchestrator.job import Job
from pawfect.orchestrator.patch import DEADLINE_SHARE, estimate_ms
from pawfect.orchestrator.planner import (
    Plan,
    Wish,
    choose,
    in_words,
    least_deadline_ms,
    longest_side,
    plans,
)
from pawfect.profile import FluxSettings


def plan_for(job: Job, within_ms: float, fallbacks: list[Fallback]) -> tuple[Wish, Plan]:
    """Return what a request asks of FLUX, and the plan for it.

    Args:
        job: the request.
        within_ms: from its arrival to the fill.
        fallbacks: takes note where the deadline allows less than was wished.

    Raises:
        PawfectError: UNAVAILABLE where the profile has no FLUX or its weights cannot be read;
            DEADLINE where no plan fits.
    """
    settings = job.setup.profile.flux
    if settings is None or job.setup.schedule is None:
        raise PawfectError(ErrorKind.UNAVAILABLE, job.setup.trouble or "the profile has no FLUX")
    wish, costs = _wish(job, settings), job.setup.costs
    best, plan = next(plans(wish, costs)), choose(wish, costs, within_ms)
    if plan is None:
        assert costs is not None
        needed, least = least_deadline_ms(wish, costs)
        raise PawfectError(
            ErrorKind.DEADLINE,
            f"deadline_ms: expected at least {needed} ms for FLUX at its least, {in_words(least)}, "
            f"got {within_ms:.0f} ms",
        )
    less = _less(best, plan)
    if less:
        reason = f"deadline_ms: {within_ms:.0f} ms are too few for {in_words(best)}"
        fallbacks.append(Fallback("plan", reason, less))
    return wish, plan


def _wish(job: Job, settings: FluxSettings) -> Wish:
    request, profile = job.request, job.setup.profile
    params, windows = request.params, job.cleaned.windows
    sizes = tuple(side for side in settings.sizes if side <= (params.window_px or side))
    height, width = job.cleaned.mask.shape
    named = profile.sam3 is not None or profile.florence2 is not None
    prior_ms = 0.0
    if params.strength < 1:
        # Its own plan keeps within this share.
        prior_ms = min(estimate_ms(windows, 1.0), DEADLINE_SHARE * params.deadline_ms)
    return Wish(
        holes=tuple(window.holes for window in windows),
        height=height,
        width=width,
        sizes=sizes or settings.sizes[:1],
        steps=settings.steps if params.steps is None else params.steps,
        explicit=params.steps is not None,
        strength=params.strength,
        finds_labels=named and not request.scene_labels,
        checks_labels=profile.check is not None and profile.sam3 is not None,
        prior_ms=prior_ms,
    )


def _less(best: Plan, plan: Plan) -> str:
    """Say in what a plan is less than the best; empty where it is not."""
    less = []
    if longest_side(plan.canvases) < longest_side(best.canvases):
        less.append(f"{plan.size} px")
    if plan.steps < best.steps:
        less.append("fewer steps")
    return " and ".join(less)
