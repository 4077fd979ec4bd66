"""The plan of a denoising fill or edit: size and steps, of the best quality class in time.

It follows from the request, the profile and the card's expected costs alone, never from the clock,
so that the same request gives the same pixels. What the clock says comes after: see `pace`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.report import Fallback
from pawfect.costs import Costs
from pawfect.diffusion.schedule import first_step
from pawfect.orchestrator import budget
from pawfect.orchestrator.deployment import DeployedChain
from pawfect.orchestrator.engine import Task
from pawfect.orchestrator.lama import floor_ms
from pawfect.picture.box import Box
from pawfect.picture.canvas import Canvas, fit_canvas, whole_canvas

# Shares of the wished steps, best first. The order of the classes is: at each size all of these,
# from the largest size to the smallest, and LAST_SHARE at the smallest alone. A fill at less than
# the photo's own resolution is soft all over beside a sharp photo, whatever the steps; an Euler
# solver's error on a flow's nearly straight path falls with the number of steps, so that the second
# half of them buys least. Below half the structure itself suffers, and size goes first.
STEP_SHARES: Final = (1.0, 0.75, 0.5)
LAST_SHARE: Final = 0.25
# Fewest steps of a plan, and of a run whose end is a picture worth more than a patch fill: the
# fewest that the audit's matrix tries.
LEAST_STEPS: Final = 4


@dataclass(frozen=True)
class Wish:
    """What a request asks of a denoising model, and what it brings with it.

    Attributes:
        holes: the bounding box of the holes of each window; none: one canvas is the whole picture.
        height: the photo's, px.
        width: the photo's, px.
        sizes: the working sizes that are allowed, px, rising.
        steps: denoising steps.
        explicit: whether the request itself named the steps: they then outlast the size.
        strength: above 0 to 1; under 1 only the last steps run.
        finds_labels: whether labels around the holes are asked for.
        checks_labels: whether labels in the fill are, for its check.
        prior_ms: expected time of the floor from which denoising starts.
        references: pictures of each canvas's own size that its steps are shown beside it.
        shown: height and width, px, of further pictures that each step is shown: each at its own
            size, or at a plan's where it is larger.
        texts: prompts that are encoded.
    """

    holes: tuple[Box, ...]
    height: int
    width: int
    sizes: tuple[int, ...]
    steps: int
    explicit: bool = False
    strength: float = 1.0
    finds_labels: bool = False
    checks_labels: bool = False
    prior_ms: float = 0.0
    references: int = 0
    shown: tuple[tuple[int, int], ...] = ()
    texts: int = 1

    def canvases(self, place: int) -> tuple[Canvas, ...]:
        """Return the canvases where no size is larger than that at a place of `sizes`."""
        if not self.holes:
            return (whole_canvas(self.height, self.width, self.sizes[place]),)
        sizes = self.sizes[: place + 1]
        return tuple(fit_canvas(holes, self.height, self.width, sizes) for holes in self.holes)

    def pictures(self, size: int) -> tuple[Canvas, ...]:
        """Return the canvases of the further pictures, by a plan's size."""
        return tuple(whole_canvas(height, width, size) for height, width in self.shown)

    def seen_tokens(self, canvas: Canvas, size: int) -> int:
        """Return the picture tokens of one step: the canvas's, and those of what it is shown."""
        further = sum(picture.tokens for picture in self.pictures(size))
        return canvas.tokens * (1 + self.references) + further

    def encode_ms(self, canvas: Canvas, size: int, costs: Costs) -> float:
        """Return what encoding a canvas is expected to take, and what its steps are shown, ms."""
        areas = [one.height * one.width for one in (canvas, *self.pictures(size))]
        return sum(map(costs.encode_ms, areas))


@dataclass(frozen=True)
class Plan:
    """How a request is to be filled.

    Attributes:
        quality: place in the order of the classes, 0 is the best.
        size: the side of the largest working size allowed, px.
        canvases: one for each window.
        steps: of the schedule.
        expected_ms: from the request's arrival to its answer; None where costs are not known.
    """

    quality: int
    size: int
    canvases: tuple[Canvas, ...]
    steps: int
    expected_ms: float | None = None


@dataclass(frozen=True)
class Planned:
    """A request's wish, the plan for it, and where the deadline allows less than was wished."""

    wish: Wish
    plan: Plan
    fallbacks: tuple[Fallback, ...] = ()


def plan_fill(task: Task, deployed: DeployedChain) -> Planned:
    """Plan the fill of a request by a denoising model, within its clock's deadline.

    Raises:
        PawfectError: DEADLINE where no plan fits.
    """
    within_ms = task.control.within_ms
    share_ms = within_ms if task.plan_ms is None else min(task.plan_ms, within_ms)
    return plan_within(wish_of(task, deployed), deployed, share_ms, within_ms)


def plan_within(wish: Wish, deployed: DeployedChain, share_ms: float, within_ms: float) -> Planned:
    """Plan what is wished of a denoising model.

    Args:
        wish: what is asked for.
        deployed: the model.
        share_ms: what the plan may take.
        within_ms: the least plan may take so much, where `share_ms` are too few for any.

    Raises:
        PawfectError: DEADLINE where no plan fits.
    """
    costs = deployed.costs
    best, plan = next(plans(wish, costs)), choose(wish, costs, share_ms)
    if plan is None:
        assert costs is not None
        needed, plan = least_deadline_ms(wish, costs)
        # Where a share is too small for any plan, the least may take more than its share.
        if needed > within_ms:
            raise PawfectError(
                ErrorKind.DEADLINE,
                f"deadline_ms: expected at least {needed} ms for {deployed.chain.title} at its "
                "least, "
                f"{in_words(plan)}, got {within_ms:.0f} ms",
            )
    less = _less(wish, best, plan)
    if not less:
        return Planned(wish, plan)
    reason = f"deadline_ms: {share_ms:.0f} ms are too few for {in_words(best)}"
    return Planned(wish, plan, (Fallback("plan", reason, less, ErrorKind.DEADLINE),))


def wish_of(task: Task, deployed: DeployedChain) -> Wish:
    """Return what a request asks of a model, the profile's settings where it asks for nothing."""
    chain, settings = deployed.chain, deployed.settings
    profile, params, windows = task.deployment.profile, task.request.params, task.cleaned.windows
    height, width = task.cleaned.mask.shape
    strength = settings.strength if params.strength is None else params.strength
    starts_from_floor = (strength < 1 or chain.put_back is not None) and task.floor is None
    named = profile.sam3 is not None or profile.florence2 is not None
    return Wish(
        holes=tuple(window.holes for window in windows),
        height=height,
        width=width,
        sizes=sizes_of(task, deployed),
        steps=settings.steps if params.steps is None else params.steps,
        explicit=params.steps is not None,
        strength=strength,
        finds_labels=named and not task.request.scene_labels,
        checks_labels=profile.check is not None and profile.sam3 is not None,
        prior_ms=floor_ms(task) if starts_from_floor else 0.0,
        references=int(settings.refers and chain.references),
        texts=len(windows) if chain.sees_pictures else 1,
    )


def sizes_of(task: Task, deployed: DeployedChain) -> tuple[int, ...]:
    """Return the working sizes that a request allows a model, px, rising: one at least."""
    own, most = deployed.settings.sizes, task.request.params.window_px
    return tuple(side for side in own if side <= (most or side)) or own[:1]


def plans(wish: Wish, costs: Costs | None) -> Iterator[Plan]:
    """Yield the plans of a wish, best first; where costs are not known, one for each size.

    Sizes that would change no canvas are left out.
    """
    shares = STEP_SHARES if costs is not None else STEP_SHARES[:1]
    last = wish.sizes[0]
    classes = [(size, share) for size in reversed(wish.sizes) for share in shares]
    if costs is not None:
        classes.append((last, LAST_SHARE))
    if wish.explicit:
        classes.sort(key=lambda one: -one[1])
    fitted = {size: wish.canvases(place) for place, size in enumerate(wish.sizes)}
    seen: set[tuple[tuple[Canvas, ...], int]] = set()
    quality = 0
    for size, share in classes:
        canvases, steps = fitted[size], _steps(wish, share)
        whole = canvases + wish.pictures(size)
        if (whole, steps) in seen:
            continue
        seen.add((whole, steps))
        plan = Plan(quality, size, canvases, steps)
        expected = None if costs is None else expected_ms(wish, plan, costs)
        yield Plan(quality, size, canvases, steps, expected)
        quality += 1


def choose(wish: Wish, costs: Costs | None, within_ms: float) -> Plan | None:
    """Return the best plan that is expected to end within a time.

    Args:
        wish: what is asked for.
        costs: of the card; None: the best plan is taken.
        within_ms: from the request's arrival to the answer.

    Returns:
        None where not even the last one fits.
    """
    return next(
        (
            plan
            for plan in plans(wish, costs)
            if plan.expected_ms is None or plan.expected_ms <= budget.PLAN_SHARE * within_ms
        ),
        None,
    )


def smaller(wish: Wish, plan: Plan, costs: Costs | None, within_ms: float) -> Plan | None:
    """Return the best plan in time whose largest step is smaller than another plan's."""
    largest = _largest_step(wish, plan)
    return next(
        (
            other
            for other in plans(wish, costs)
            if _largest_step(wish, other) < largest
            and (other.expected_ms is None or other.expected_ms <= within_ms)
        ),
        None,
    )


def least_deadline_ms(wish: Wish, costs: Costs) -> tuple[int, Plan]:
    """Return the shortest time, ms, in which any plan fits, and that plan."""
    plan = min(plans(wish, costs), key=lambda plan: plan.expected_ms or 0.0)
    return math.ceil((plan.expected_ms or 0.0) / budget.PLAN_SHARE), plan


def expected_ms(wish: Wish, plan: Plan, costs: Costs) -> float:
    """Return what a plan is expected to take from the request's arrival to its answer, ms.

    All stages are summed: one card works on all canvases, and a batch of steps takes about as long
    as its steps one by one, for they keep the card busy.
    """
    return (
        costs.rest_ms(wish.height * wish.width)
        + wish.texts * costs.text_ms
        + (wish.finds_labels + wish.checks_labels) * costs.labels_ms
        + wish.prior_ms
        + sum(
            wish.encode_ms(canvas, plan.size, costs)
            + costs.decode_ms(canvas.height * canvas.width)
            + steps_run(plan.steps, wish.strength)
            * costs.step_ms(wish.seen_tokens(canvas, plan.size))
            for canvas in plan.canvases
        )
    )


def steps_run(steps: int, strength: float) -> int:
    """Return how many of a schedule's steps are run: from a prior, the last ones alone."""
    return steps - first_step(steps, strength)


def in_words(plan: Plan) -> str:
    """Return a plan in a few words, for messages."""
    return f"{longest_side(plan.canvases)} px and {plan.steps} steps"


def longest_side(canvases: Sequence[Canvas]) -> int:
    """Return the longest side of any canvas, px."""
    return max(max(canvas.height, canvas.width) for canvas in canvases)


def _steps(wish: Wish, share: float) -> int:
    """Return a share of the wished steps, but no fewer than LEAST_STEPS."""
    return max(round(share * wish.steps), min(LEAST_STEPS, wish.steps))


def _largest_step(wish: Wish, plan: Plan) -> int:
    """Return the most picture tokens that one step has."""
    return max(wish.seen_tokens(canvas, plan.size) for canvas in plan.canvases)


def _less(wish: Wish, best: Plan, plan: Plan) -> str:
    """Say in what a plan is less than the best; empty where it is not."""
    less = []
    if longest_side(plan.canvases) < longest_side(best.canvases):
        less.append(f"{plan.size} px")
    elif wish.pictures(plan.size) != wish.pictures(best.size):
        less.append(f"references at {plan.size} px")
    if plan.steps < best.steps:
        less.append("fewer steps")
    return " and ".join(less)
