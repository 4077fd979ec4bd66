"""The engine `flux`: FLUX.1-Fill over each hole, with the patch fill as its floor."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from pawfect.canvas import Canvas, fit_canvas
from pawfect.composite import composite
from pawfect.contract import MASK_THRESHOLD
from pawfect.errors import ErrorKind, PawfectError
from pawfect.orchestrator.check import seam_step, strange_labels
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.denoising import (
    RESERVE_MS,
    Sampling,
    Text,
    decode_canvas,
    denoise,
    encode_canvas,
    encode_text,
)
from pawfect.orchestrator.job import Job, Outcome, told_by_request
from pawfect.orchestrator.labels import Surroundings, find_surroundings, name_surfaces
from pawfect.orchestrator.patch import PatchFill, paste_fills
from pawfect.prompting import build_prompt
from pawfect.report import Fallback, WindowReport
from pawfect.window import Box, Window

T = TypeVar("T")
# The patch fill of all windows, and the photo UINT8 [H, W, 3] with it.
Patching = asyncio.Future[tuple[list[PatchFill], NDArray[np.uint8]]]

# Shares of the fill that are done when the floor stands, and when the last step is taken.
FLOOR_STANDS: Final = 0.1
STEPS_TAKEN: Final = 0.95
# Longest side, px, of the floor: as large as FLUX's own largest canvas of a 16 GB card.
FLOOR_PX: Final = 1024
# Feather around a regenerated hole, px: about one pixel of the latents, which is how far the VAE
# smears the border.
FEATHER_PX: Final = 8
# Kept free for handing over the floor where FLUX is late, ms: the report and the answer.
FLOOR_MS: Final = 200.0
# Of the time that the first try took: as much must be left for a second one.
SECOND_TRY: Final = 1.2
# Canvases of one request that are worked on at a time: half of a batch, so that others get a share.
CANVASES_AT_ONCE: Final = 4


@dataclass
class _Run:
    """What is known while FLUX works: filled in as it comes."""

    job: Job
    control: Control
    sampling: Sampling
    canvases: list[Canvas]
    patching: Patching
    fallbacks: list[Fallback]
    told: dict[str, Any]
    prefill: NDArray[np.uint8] | None = None


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
    patching = asyncio.ensure_future(_patched(job))
    try:
        try:
            return await _try_flux(job, control, reason, patching, fallbacks, told)
        except PawfectError as error:
            if insists or error.kind in (ErrorKind.CANCELLED, ErrorKind.INVALID_ARG):
                raise
            fallbacks.append(Fallback("flux", str(error), "patch"))
            fills, image = await patching
            return _floor_outcome(job, fills, image, f"flux failed: {error}", fallbacks, told)
    finally:
        await _dropped(patching)


async def _patched(job: Job) -> tuple[list[PatchFill], NDArray[np.uint8]]:
    """Fill all windows by patches and composite them: UINT8 [H, W, 3]."""
    bound = min(job.request.params.window_px or FLOOR_PX, FLOOR_PX)
    fills = await job.fill_by_patches(bound, FLOOR_STANDS)
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
        image = await _paint(run, job.request.params.seed, prompting)
        found, text = await prompting
    finally:
        await _dropped(prompting)
    took_ms = (time.monotonic() - began) * 1000
    told |= {
        "steps": run.sampling.steps,
        "guidance_scale": run.sampling.guidance_scale,
        "weights": dict(job.setup.weights),
    }
    return await _checked(run, image, reason, took_ms, found, text)


def _prepared(
    job: Job,
    control: Control,
    patching: Patching,
    fallbacks: list[Fallback],
    told: dict[str, Any],
) -> _Run:
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
    return _Run(job, control, sampling, canvases, patching, fallbacks, told)


async def _prior(run: _Run) -> NDArray[np.uint8] | None:
    """Wait for the patch result where denoising starts from it: UINT8 [H, W, 3]."""
    if run.sampling.first == 0:
        return None
    try:
        return (await asyncio.shield(run.patching))[1]
    except PawfectError as error:
        if error.kind is ErrorKind.CANCELLED or run.control.remaining_ms() <= 0:
            raise
        run.fallbacks.append(Fallback("patch_fill", str(error), "strength 1"))
        run.sampling = replace(run.sampling, strength=1.0)
        return None


async def _prompted(run: _Run) -> tuple[Surroundings, Text]:
    job = run.job
    found = await find_surroundings(job.request, job.cleaned.ring, job.setup, job.call, run.control)
    run.fallbacks.extend(found.fallbacks)
    prompt = build_prompt(found.labels, found.caption, job.request.prompt)
    run.told |= {
        "labels": tuple(label.name for label in found.labels),
        "labels_source": found.source,
        "prompt": prompt.text,
        "prompt_source": prompt.source,
    }
    text = await encode_text(prompt.text, job.call, run.control)
    run.told["prompt_cut"] = text.cut
    return found, text


async def _paint(
    run: _Run, seed: int, prompting: asyncio.Future[tuple[Surroundings, Text]]
) -> NDArray[np.uint8]:
    """Encode, denoise, decode and composite all canvases: UINT8 [H, W, 3]."""
    job = run.job
    places = asyncio.Semaphore(CANVASES_AT_ONCE)
    shares = [0.0] * len(run.canvases)

    async def paint(index: int, canvas: Canvas, window: Window) -> NDArray[np.uint8]:
        async def stepped(share: float, seen: NDArray[np.uint8] | None) -> None:
            shares[index] = share
            done = FLOOR_STANDS + (STEPS_TAKEN - FLOOR_STANDS) * sum(shares) / len(shares)
            await job.tell("flux_transformer", done, canvas.box, seen, window.holes)

        async with places:
            encoded = await encode_canvas(
                canvas,
                job.request.image,
                job.cleaned.mask,
                _seed(seed, index),
                run.prefill,
                job.call,
                run.control,
            )
            _, text = await asyncio.shield(prompting)
            latents = await denoise(
                canvas, encoded, text, run.sampling, job.call, run.control, stepped
            )
            return await decode_canvas(canvas, latents, job.call, run.control)

    tasks = [
        asyncio.ensure_future(paint(index, canvas, window))
        for index, (canvas, window) in enumerate(
            zip(run.canvases, job.cleaned.windows, strict=True)
        )
    ]
    try:
        parts = await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            await _dropped(task)
    return await _composited(run, parts)


async def _composited(run: _Run, parts: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    job, params = run.job, run.job.request.params
    with run.control.stage("composite"):
        pasting = asyncio.to_thread(
            paste_canvases,
            job.request.image,
            job.cleaned.mask,
            job.request.protect,
            [window.holes for window in job.cleaned.windows],
            run.canvases,
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


async def _checked(
    run: _Run,
    image: NDArray[np.uint8],
    reason: str,
    took_ms: float,
    found: Surroundings,
    text: Text,
) -> Outcome:
    """Check the fill; try a second seed where it fails, then fall back to patches."""
    job, told = run.job, run.told
    seed = job.request.params.seed
    problem = await _problem(run, image, found)
    if problem is not None and run.control.remaining_ms() > SECOND_TRY * took_ms:
        run.fallbacks.append(Fallback("check", problem, "a second seed"))
        told["check"] = problem
        seed = _seed(seed, len(run.canvases))
        again: asyncio.Future[tuple[Surroundings, Text]] = asyncio.Future()
        again.set_result((found, text))
        image = await _paint(run, seed, again)
        problem = await _problem(run, image, found)
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
            return _floor_outcome(job, fills, floor, f"flux: {problem}", run.fallbacks, told)
    windows = tuple(
        WindowReport.of(
            Window(canvas.box, window.holes), max(canvas.height, canvas.width), "flux",
            _seed(seed, index),
        )
        for index, (canvas, window) in enumerate(
            zip(run.canvases, job.cleaned.windows, strict=True)
        )
    )  # fmt: skip
    return Outcome(image, "flux", reason, windows, tuple(run.fallbacks), told)


async def _problem(run: _Run, image: NDArray[np.uint8], found: Surroundings) -> str | None:
    """Return what is wrong with a fill, UINT8 [H, W, 3], or None."""
    job, limits = run.job, run.job.setup.profile.check
    if limits is None:
        return None
    floor = await _floor_in_time(run)
    with run.control.stage("check"):
        hole = job.cleaned.mask > 0
        step = await asyncio.to_thread(seam_step, image, hole)
        least = 0.0 if floor is None else await asyncio.to_thread(seam_step, floor, hole)
    if step > least + limits.seam_step:
        return f"seam step {step:.1f}, expected at most {least + limits.seam_step:.1f}"
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


async def _floor_in_time(run: _Run) -> NDArray[np.uint8] | None:
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


def _floor_outcome(
    job: Job,
    fills: Sequence[PatchFill],
    image: NDArray[np.uint8],
    reason: str,
    fallbacks: Sequence[Fallback],
    told: dict[str, Any],
) -> Outcome:
    windows = tuple(
        WindowReport.of(window, fill.working_px, fill.method)
        for window, fill in zip(job.cleaned.windows, fills, strict=True)
    )
    return Outcome(image, "patch", reason, windows, tuple(fallbacks), told)


def _seed(seed: int, index: int) -> int:
    return (seed + index) % 2**63


async def _dropped(future: asyncio.Future[T]) -> None:
    """Cancel what is still going on and fetch its end, whatever it is."""
    future.cancel()
    await asyncio.gather(future, return_exceptions=True)
