"""Proposer `swap`: the face of the reference in a photo, as `face_swap` draws it, and refined.

Candidate 0 is the raw swap. A refinement is an edit of it: the model sees the photo with the swap,
starts from the swap's own latents and draws the last part of the schedule, within the mask alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.faces import PIXEL_BOOSTS, FaceSwapReport
from pawfect.contract.search_report import SWAPPED
from pawfect.contract.tensors import Array
from pawfect.orchestrator.calls import Scalars
from pawfect.orchestrator.chain_edit import ChainEdit, ChainEdited, edit_by_chain
from pawfect.orchestrator.engine import Task
from pawfect.orchestrator.patched import Patched
from pawfect.orchestrator.planner import sizes_of
from pawfect.orchestrator.proposal import Make, Picture, Proposal, Proposed, Swap
from pawfect.orchestrator.replacing import edit_of
from pawfect.orchestrator.varying import settings_of, varied, with_params
from pawfect.picture import raster
from pawfect.picture.canvas import Canvas, fit_canvas
from pawfect.search.refinement import Refinement, refinement_by
from pawfect.search.tries import BOOSTED, NEIGHBOURHOOD, REFINED, RENOISED, UNDIFFUSED

MODEL: Final = "face_swap"


def blended(
    photo: NDArray[np.uint8], other: NDArray[np.uint8], alpha: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Lay one picture over another.

    Args:
        photo: UINT8 [H, W, 3].
        other: UINT8 [H, W, 3].
        alpha: FP32 [H, W], 0 to 1, how much is the other's.

    Returns:
        UINT8 [H, W, 3], bit for bit the photo where alpha is 0.
    """
    result, inside = photo.copy(), alpha > 0
    share = alpha[inside][:, None]
    own = photo[inside].astype(np.float32)
    result[inside] = raster.to_pixels(own + share * (other[inside] - own))
    return result


async def _raw(given: Proposal) -> Proposed:
    swap = _swap_of(given)
    made = await _swapped(given.task, swap, swap.pixel_boost)
    return replace(made, floor=Patched(made.image, (), SWAPPED))


async def _boosted(given: Proposal) -> Proposed:
    """Swap at another size of the face."""
    swap = _swap_of(given)
    place = PIXEL_BOOSTS.index(swap.pixel_boost) + int(given.tried.variation.settings["step"])
    return await _swapped(given.task, swap, PIXEL_BOOSTS[place % len(PIXEL_BOOSTS)])


async def _swapped(task: Task, swap: Swap, pixel_boost: int) -> Proposed:
    photo = task.request.image
    inputs: dict[str, Array] = {
        "IMAGE": photo,
        "POINTS": np.asarray(swap.face.points, np.float32),
        "EMBEDDING": np.asarray(swap.source.embedding, np.float32),
    }
    parameters: Scalars = {
        "consent": True,
        "pixel_boost": pixel_boost,
        "deadline_ms": max(int(task.control.remaining_ms()), 1),
        **({} if swap.caller is None else {"caller": swap.caller}),
    }
    out = await task.ask(MODEL, inputs, parameters)
    report = FaceSwapReport.from_json(out["REPORT"].reshape(-1)[0])
    drawn = out["IMAGE"].astype(np.uint8, copy=False)
    laying = asyncio.to_thread(blended, photo, drawn, swap.alpha)
    with task.control.stage("composite"):
        image = await task.control.wait("composite", laying)
    return Proposed(image, SWAPPED, {"pixel_boost": pixel_boost}, weights=report.weights)


async def _refined(given: Proposal) -> Proposed:
    """Refine the raw swap, or go on from a parent, window by window of the mask."""
    engine, swap, floor = given.base.engine, _swap_of(given), given.base.floor
    made_before = await _swapped(given.task, swap, swap.pixel_boost) if floor is None else floor
    raw, deployed = made_before.image, given.task.deployment.chain(engine)
    how = in_force(refinement_by(engine), deployed.settings.distilled)
    task = varied(_usual(given.task, how), engine, given.tried)
    sizes, (height, width) = sizes_of(task, deployed), task.cleaned.mask.shape
    steps = how.steps or deployed.settings.steps
    deployed = replace(deployed, settings=replace(deployed.settings, sizes=sizes, steps=steps))
    # A child close to its parent's noise starts from where the parent started.
    start = given.parent if given.tried.variation.name == RENOISED else None
    image, made = raw, list[ChainEdited]()
    for index, window in enumerate(task.cleaned.windows):
        canvas = fit_canvas(window.holes, height, width, sizes)
        edit = await asyncio.to_thread(_edit, task, swap, how, raw, start, canvas, index)
        made.append(await edit_by_chain(task, deployed, edit))
        image = await asyncio.to_thread(_laid, image, made[-1].picture, canvas, swap.alpha)
    fallbacks = tuple(fallback for one in made for fallback in one.fallbacks)
    settings = _settings(task, swap, how, made[0])
    return Proposed(image, engine, settings, fallbacks, task.deployment.weights_of(engine))


def in_force(how: Refinement, distilled: bool) -> Refinement:
    """Return how a model refines that may have been distilled to its own steps and guidance."""
    return replace(how, steps=None, guidance_scale=None) if distilled else how


def _usual(task: Task, how: Refinement) -> Task:
    """Return a task with what a refinement has where the request says nothing."""
    asked = task.request.params.guidance_scale
    guidance = how.guidance_scale if asked is None else asked
    return with_params(task, guidance_scale=guidance, strength=how.strength)


def _edit(
    task: Task,
    swap: Swap,
    how: Refinement,
    raw: Picture,
    start: Picture | None,
    canvas: Canvas,
    index: int,
) -> ChainEdit:
    """Return the refinement of one canvas."""
    instruction = swap.instruction or how.instruction
    return replace(edit_of(task, instruction, raw, start, canvas, index), unwanted=how.unwanted)


def _laid(image: Picture, drawn: Picture, canvas: Canvas, alpha: NDArray[np.float32]) -> Picture:
    """Lay what was drawn of a canvas over the raw swap: outside the mask both are the photo."""
    at, result = canvas.box.slices, image.copy()
    result[at] = blended(image[at], canvas.put_back(drawn), alpha[at])
    return result


def _settings(task: Task, swap: Swap, how: Refinement, edited: ChainEdited) -> dict[str, Any]:
    """Return what a candidate was made with, as the largest window has it."""
    denoising = edited.denoising
    unwanted = how.unwanted if (denoising.guidance_scale or 0) > 1 else None
    return {
        "instruction": swap.instruction or how.instruction,
        **({} if unwanted is None else {"unwanted": unwanted}),
        "steps": denoising.steps,
        "steps_taken": denoising.steps_taken,
        **settings_of(task, denoising.guidance_scale, None),
    }


def _swap_of(given: Proposal) -> Swap:
    assert given.base.swap is not None
    return given.base.swap


# By variation.
SWAPPING: Final[Mapping[str, Make]] = MappingProxyType(
    {
        UNDIFFUSED: _raw,
        BOOSTED: _boosted,
        REFINED: _refined,
        RENOISED: _refined,
        NEIGHBOURHOOD: _refined,
    }
)
