"""FLUX's fill of all holes of a photo: canvases encoded, denoised, decoded and composited."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.report import Fallback
from pawfect.contract.tensors import MASK_THRESHOLD
from pawfect.flux.schedule import Schedule, first_step
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.denoising import Sampling, denoise
from pawfect.orchestrator.job import Job
from pawfect.orchestrator.labels import Surroundings
from pawfect.orchestrator.pace import Pace
from pawfect.orchestrator.patch import PatchFill, seed_of
from pawfect.orchestrator.planner import LEAST_STEPS, Plan, Wish, smaller
from pawfect.orchestrator.stages import Text, decode_canvas, encode_canvas
from pawfect.picture.box import Box
from pawfect.picture.canvas import Canvas
from pawfect.picture.composite import composite
from pawfect.picture.window import Window

T = TypeVar("T")
# The patch fill of all windows, and the photo UINT8 [H, W, 3] with it.
Patching = asyncio.Future[tuple[list[PatchFill], NDArray[np.uint8]]]
Prompting = asyncio.Future[tuple[Surroundings, Text]]

# Shares of the fill that are done when the floor stands, and when the last step is taken.
FLOOR_STANDS: Final = 0.1
STEPS_TAKEN: Final = 0.95
# Feather around a regenerated hole, px: about one pixel of the latents, which is how far the VAE
# smears the border.
FEATHER_PX: Final = 8
# Canvases of one request that are worked on at a time: half of a batch, so that others get a share.
CANVASES_AT_ONCE: Final = 4


@dataclass
class FluxRun:
    """What is known while FLUX works: filled in as it comes."""

    job: Job
    control: Control
    schedule: Schedule
    wish: Wish
    plan: Plan
    patching: Patching
    fallbacks: list[Fallback]
    told: dict[str, Any]
    prefill: NDArray[np.uint8] | None = None
    pace: Pace | None = None

    @property
    def insists(self) -> bool:
        """Whether the request asked for FLUX by name."""
        return self.job.request.params.engine == "flux"

    @property
    def sampling(self) -> Sampling:
        """How each canvas is denoised."""
        params, settings = self.job.request.params, self.job.setup.profile.flux
        assert settings is not None
        guidance, steps = params.guidance_scale, self.plan.steps
        planned = steps - first_step(steps, self.wish.strength)
        return Sampling(
            self.schedule,
            steps,
            settings.guidance_scale if guidance is None else guidance,
            self.wish.strength,
            params.preview_every,
            # Who insists on FLUX gets what FLUX can do; else the patches are better than less.
            1 if self.insists else min(LEAST_STEPS, math.ceil(planned / 2)),
        )


async def paint(run: FluxRun, seed: int, prompting: Prompting) -> NDArray[np.uint8]:
    """Fill all holes: UINT8 [H, W, 3].

    Where the device is out of memory, at the next smaller plan; `run` then holds that one. Where
    time is short, in fewer steps. Both stand in the run's fallbacks.
    """
    costs = run.job.setup.costs
    while True:
        slowness = None if run.pace is None else run.pace.known_slowness
        run.pace = pace = Pace(run.wish, run.plan, costs, run.control, slowness)
        try:
            image = await _paint_all(run, pace, seed, prompting)
        except PawfectError as error:
            own = prompting.done() and not prompting.cancelled() and prompting.exception() is error
            if error.kind is not ErrorKind.OUT_OF_MEMORY or own:
                raise
            less = smaller(run.wish, run.plan, costs, run.control.remaining_ms())
            if less is None:
                raise
            run.fallbacks.append(Fallback("flux", str(error), f"{less.size} px"))
            run.plan = less
            continue
        if pace.taken < pace.planned:
            reason = f"late: {pace.taken} steps instead of {pace.planned}"
            run.fallbacks.append(Fallback("flux_transformer", reason, "fewer steps"))
        return image


async def _paint_all(
    run: FluxRun, pace: Pace, seed: int, prompting: Prompting
) -> NDArray[np.uint8]:
    """Encode, denoise, decode and composite all canvases: UINT8 [H, W, 3]."""
    job = run.job
    canvases, sampling = run.plan.canvases, run.sampling
    places = asyncio.Semaphore(CANVASES_AT_ONCE)
    shares = [0.0] * len(canvases)

    async def painted(index: int, canvas: Canvas, window: Window) -> NDArray[np.uint8]:
        async def stepped(share: float, seen: NDArray[np.uint8] | None) -> None:
            shares[index] = share
            done = FLOOR_STANDS + (STEPS_TAKEN - FLOOR_STANDS) * sum(shares) / len(shares)
            shown = Window(canvas.box, window.holes)
            await job.tell("flux_transformer", done, shown, seen)

        async with places:
            began = run.control.clock()
            encoded = await encode_canvas(
                canvas,
                job.request.image,
                job.cleaned.mask,
                seed_of(seed, index),
                run.prefill,
                job.call,
                run.control,
            )
            pace.encoded(index, (run.control.clock() - began) * 1000)
            _, text = await asyncio.shield(prompting)
            latents = await denoise(
                canvas, encoded, text, sampling, pace, index, job.call, run.control, stepped
            )
            part = await decode_canvas(canvas, latents, job.call, run.control)
            pace.ends(index)
            return part

    tasks = [
        asyncio.ensure_future(painted(index, canvas, window))
        for index, (canvas, window) in enumerate(zip(canvases, job.cleaned.windows, strict=True))
    ]
    try:
        parts = await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            await dropped(task)
    return await _composited(run, parts)


async def _composited(run: FluxRun, parts: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    job, params = run.job, run.job.request.params
    with run.control.stage("composite"):
        pasting = asyncio.to_thread(
            paste_canvases,
            job.request.image,
            job.cleaned.mask,
            job.request.protect,
            [window.holes for window in job.cleaned.windows],
            run.plan.canvases,
            parts,
            FEATHER_PX if params.feather_px is None else params.feather_px,
            params.match_colour,
        )
        return await run.control.wait("composite", pasting)


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


async def dropped(future: asyncio.Future[T]) -> None:
    """Cancel what is still going on and fetch its end, whatever it is."""
    future.cancel()
    await asyncio.gather(future, return_exceptions=True)
