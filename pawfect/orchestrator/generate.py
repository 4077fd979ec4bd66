"""A chain's fill of all holes of a photo: canvases encoded, denoised, decoded, composited."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import PawfectError
from pawfect.contract.report import Fallback, WindowReport
from pawfect.contract.tensors import MASK_THRESHOLD
from pawfect.diffusion.schedule import first_step
from pawfect.orchestrator.attempts import Failed, Run, run_plans
from pawfect.orchestrator.chain_models import Picture, Text, decode_canvas, encode_canvas
from pawfect.orchestrator.control import dropped
from pawfect.orchestrator.denoise import Sampling, denoise
from pawfect.orchestrator.deployment import DeployedChain
from pawfect.orchestrator.engine import Task
from pawfect.orchestrator.pace import Pace
from pawfect.orchestrator.patch import seed_of
from pawfect.orchestrator.planner import LEAST_STEPS, Plan, Wish
from pawfect.picture.box import Box
from pawfect.picture.canvas import Canvas
from pawfect.picture.composite import composite
from pawfect.picture.window import Window

# Shares of the fill that are done when the floor stands, and when the last step is taken.
FLOOR_STANDS: Final = 0.1
STEPS_TAKEN: Final = 0.95
# Feather around a regenerated hole, px: about one pixel of the latents, which is how far the VAE
# smears the border.
FEATHER_PX: Final = 8
# Canvases of one request that are worked on at a time: half of a batch, so that others get a share.
CANVASES_AT_ONCE: Final = 4


@dataclass(frozen=True, eq=False)
class Start:
    """What a run begins with.

    Attributes:
        wish: what is asked for.
        plan: how it is to be filled.
        prefill: UINT8 [H, W, 3], the photo to start from, or None: from noise.
        fallbacks: what was missing.
    """

    wish: Wish
    plan: Plan
    prefill: NDArray[np.uint8] | None = None
    fallbacks: tuple[Fallback, ...] = ()


@dataclass(frozen=True, eq=False)
class Generated:
    """A photo with its holes filled, and how each window was filled."""

    run: Run
    windows: tuple[WindowReport, ...]


class Texts(Protocol):
    """The prompt's embeddings, which may still be computed."""

    async def of(self, picture: Picture | None) -> Text:
        """Return those of one canvas; `picture` is UINT8 [H, W, 3], as it is to begin with."""
        ...

    def raised(self, error: PawfectError) -> bool:
        """Say whether the prompt's embedding raised an error."""
        ...


async def generate(
    task: Task,
    deployed: DeployedChain,
    start: Start,
    seed: int,
    text: Texts,
    slowness: float | None = None,
) -> Generated | Failed:
    """Fill all holes, at a smaller plan where memory is short, in fewer steps where time is.

    Args:
        task: the request.
        deployed: the model that denoises.
        start: wish, plan and prior.
        seed: of the first canvas's noise.
        text: the prompt's embeddings.
        slowness: of an earlier run of the same request.

    Raises:
        PawfectError: CANCELLED or INVALID_ARG: the request's own doing is no failure of the model.
    """

    def draw(plan: Plan, sampling: Sampling, pace: Pace) -> Awaitable[NDArray[np.uint8]]:
        return _fill(task, start, plan.canvases, sampling, pace, seed, text)

    run = await run_plans(
        deployed,
        task.control,
        start.wish,
        start.plan,
        lambda plan: _sampling(task, deployed, start.wish, plan),
        draw,
        slowness=slowness,
        # A text encoder out of memory is not helped by a smaller canvas.
        shrinks=lambda error: not text.raised(error),
    )
    if isinstance(run, Failed):
        return run
    return Generated(run, _window_reports(task, deployed.chain.name, run.plan, seed))


def _sampling(task: Task, deployed: DeployedChain, wish: Wish, plan: Plan) -> Sampling:
    params, settings, schedule = task.request.params, deployed.settings, deployed.schedule
    assert schedule is not None
    guidance = settings.guidance_scale if params.guidance_scale is None else params.guidance_scale
    run = plan.steps - first_step(plan.steps, wish.strength)
    chain = deployed.chain
    # Who insists on it gets what it can do; else the patches are better than less.
    least = 1 if params.engine == chain.name else min(LEAST_STEPS, math.ceil(run / 2))
    return Sampling(
        chain, schedule, plan.steps, guidance, wish.strength, params.preview_every, least
    )


def _window_reports(task: Task, name: str, plan: Plan, seed: int) -> tuple[WindowReport, ...]:
    return tuple(
        WindowReport(
            canvas.box.edges,
            window.holes.edges,
            max(canvas.height, canvas.width),
            name,
            seed_of(seed, index),
        )
        for index, (canvas, window) in enumerate(
            zip(plan.canvases, task.cleaned.windows, strict=True)
        )
    )


async def _fill(
    task: Task,
    start: Start,
    canvases: Sequence[Canvas],
    sampling: Sampling,
    pace: Pace,
    seed: int,
    text: Texts,
) -> NDArray[np.uint8]:
    """Encode, denoise, decode and composite all canvases: UINT8 [H, W, 3]."""
    windows, chain, prefill = task.cleaned.windows, sampling.chain, start.prefill
    places = asyncio.Semaphore(CANVASES_AT_ONCE)
    shares = [0.0] * len(canvases)

    async def generated(index: int) -> NDArray[np.uint8]:
        canvas, own = canvases[index], pace.canvases[index]

        async def on_step(share: float, shown: NDArray[np.uint8] | None) -> None:
            shares[index] = share
            done = FLOOR_STANDS + (STEPS_TAKEN - FLOOR_STANDS) * sum(shares) / len(shares)
            window = Window(canvas.box, windows[index].holes)
            await task.progress.report(chain.transformer, done, window, shown)

        async with places:
            began = task.control.clock()
            encoded = await encode_canvas(
                task, chain, canvas, seed, prefill, index=index, referred=start.wish.references > 0
            )
            own.encoded((task.control.clock() - began) * 1000)
            seen = None
            if chain.sees_pictures and prefill is not None:
                seen = await asyncio.to_thread(canvas.take, prefill)
            embedded = await text.of(seen)
            latents = await denoise(task, encoded, embedded, sampling, own, on_step)
            part = await decode_canvas(task, chain, canvas, latents)
            own.decoded = True
            return part

    tasks = [asyncio.ensure_future(generated(index)) for index in range(len(canvases))]
    try:
        parts = await asyncio.gather(*tasks)
    finally:
        await dropped(*tasks)
    return await composited(task, canvases, parts)


async def composited(
    task: Task, canvases: Sequence[Canvas], parts: Sequence[NDArray[np.uint8]]
) -> NDArray[np.uint8]:
    """Composite all canvases, as a stage: UINT8 [H, W, 3].

    Args:
        task: the request.
        canvases: one for each window.
        parts: UINT8 [h, w, 3] each, of the canvases' boxes, regenerated all over.
    """
    request, params = task.request, task.request.params
    with task.control.stage("composite"):
        pasting = asyncio.to_thread(
            paste_canvases,
            request.image,
            task.cleaned.mask,
            request.protect,
            [window.holes for window in task.cleaned.windows],
            canvases,
            parts,
            FEATHER_PX if params.feather_px is None else params.feather_px,
            params.match_colour,
        )
        return await task.control.wait("composite", pasting)


def paste_canvases(
    image: NDArray[np.uint8],
    clean: NDArray[np.uint8],
    protect: NDArray[np.uint8] | None,
    holes: Sequence[Box],
    canvases: Sequence[Canvas],
    parts: Sequence[NDArray[np.uint8]],
    feather_px: int,
    match: bool,
) -> NDArray[np.uint8]:
    """Return the photo with the holes of every canvas composited into it.

    Args:
        image: UINT8 [H, W, 3].
        clean: UINT8 [H, W], 255 = hole.
        protect: UINT8 [H, W] or None, >= 128 stays as it is, the feather included.
        holes: the box of each canvas's own holes.
        canvases: where the parts lie.
        parts: UINT8 [h, w, 3] each, regenerated all over.
        feather_px: width of the blend outside the holes, px.
        match: whether colour and grain are fitted to the photo's.
    """
    result = image.copy()
    for box, canvas, part in zip(holes, canvases, parts, strict=True):
        at = canvas.box.slices
        own = Window(canvas.box, box).hole_mask(clean)
        others = (clean[at] > 0) & (own == 0)
        result[at] = composite(
            result[at], part, own, feather_px=feather_px, match=match, ignore=others
        )
    if protect is not None:
        kept = protect >= MASK_THRESHOLD
        result[kept] = image[kept]
    return result
