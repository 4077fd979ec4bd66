"""An edit by words, by a denoising model that takes pictures to go by.

As diffusers' pipelines do it: without a mask Flux2KleinPipeline and QwenImageEditPlusPipeline, with
one Flux2KleinInpaintPipeline and QwenImageEditInpaintPipeline. The steps are shown the picture
itself, and the references after it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect.contract.report import Fallback
from pawfect.contract.tensors import MASK_THRESHOLD
from pawfect.diffusion.schedule import first_step
from pawfect.diffusion.tokens import token_grid
from pawfect.orchestrator.attempts import Failed, run_plans
from pawfect.orchestrator.chain_models import (
    Encoded,
    Picture,
    Text,
    decode_canvas,
    encode_picture,
    encode_text,
    referring,
)
from pawfect.orchestrator.denoise import OnStep, Sampling, denoise
from pawfect.orchestrator.deployment import DeployedChain
from pawfect.orchestrator.engine import Asking, Denoising, Toward
from pawfect.orchestrator.pace import Pace
from pawfect.orchestrator.planner import LEAST_STEPS, Plan, Wish, plan_within, steps_run

# As many pictures as Qwen-Image-Edit and FLUX.2 can be shown are some ten; each is as dear as the
# picture itself.
MAX_REFERENCES: Final = 8


@dataclass(frozen=True, eq=False)
class ChainEdit:
    """What is to be edited, and how.

    Attributes:
        picture: UINT8 [H, W, 3], sides multiples of 16 px; worked on at its own size, or at the
            area of the largest working size, or at a smaller one where time or memory is short.
        instruction: what is to be done, in words.
        mask: UINT8 [H, W], >= 128 = what may change, some of it; None: all of it. The border is the
            latents' own, not the pixels': who wants the rest bit for bit puts it back.
        references: UINT8 [h, w, 3] each, at most MAX_REFERENCES further pictures of any sizes; each
            is brought to at most the area of the working size.
        needed: fewest references that the instruction speaks of.
        steps: of the schedule; None: the settings'.
        guidance_scale: likewise; a chain that is not guided has none.
        strength: above 0 to 1: under 1 denoising starts from `start`, with noise to that part of
            the schedule.
        start: UINT8 [H, W, 3], an earlier edit of the picture; None: the picture itself.
        seed: of the noise, 0 to 2**63 - 1.
        toward: of the noise; None: the seed's own.
        plan_ms: what the plan may take, where others share the card and the deadline; None: the
            clock's whole time.
        unwanted: for a guided chain, what is not wanted; None: the settings'.
        preview_every: steps between two previews; 0: none.
    """

    picture: Picture
    instruction: str
    mask: Picture | None = None
    references: tuple[Picture, ...] = ()
    needed: int = 0
    steps: int | None = None
    guidance_scale: float | None = None
    strength: float = 1.0
    start: Picture | None = None
    seed: int = 0
    toward: Toward | None = None
    plan_ms: float | None = None
    unwanted: str | None = None
    preview_every: int = 0


@dataclass(frozen=True, eq=False)
class ChainEdited:
    """What a chain made of an edit.

    Attributes:
        picture: UINT8 [H, W, 3], of the size of the edit's picture.
        size: height and width, px, at which it was worked on.
        denoising: for the report.
        fallbacks: where time or memory was short.
    """

    picture: Picture
    size: tuple[int, int]
    denoising: Denoising
    fallbacks: tuple[Fallback, ...] = ()


async def unwatched(share: float, preview: NDArray[np.uint8] | None) -> None:
    """Take no note of a step."""


async def edit_by_chain(
    asking: Asking, deployed: DeployedChain, edit: ChainEdit, on_step: OnStep = unwatched
) -> ChainEdited:
    """Edit a picture by words, at a smaller size or in fewer steps where the deadline is near.

    Args:
        asking: calls the models; its clock is looked at before and during each step.
        deployed: the model that denoises.
        edit: what is to be done.
        on_step: awaited after each step.

    Raises:
        PawfectError: INVALID_ARG for pictures of wrong types or sizes, a strength out of bounds,
            more references than MAX_REFERENCES or fewer than are needed, an instruction over the
            token limit; DEADLINE where no plan fits the clock's time; UNAVAILABLE for a chain that
            takes no pictures to go by, and where its weights cannot be read; CANCELLED; or what a
            model answered.
    """
    _check(deployed, edit)
    within_ms = asking.control.within_ms
    share_ms = within_ms if edit.plan_ms is None else min(edit.plan_ms, within_ms)
    wish = wish_of_edit(deployed, edit)
    planned = await asyncio.to_thread(plan_within, wish, deployed, share_ms, within_ms)
    text = await _encode_instruction(asking, deployed, edit, wish, planned.plan)

    def draw(plan: Plan, sampling: Sampling, pace: Pace) -> Awaitable[Picture]:
        return _draw(asking, edit, wish, plan, sampling, pace, text, on_step)

    run = await run_plans(
        deployed,
        asking.control,
        wish,
        planned.plan,
        lambda plan: _sampling(deployed, edit, wish, plan),
        draw,
    )
    if isinstance(run, Failed):
        raise run.error
    (canvas,) = run.plan.canvases
    fallbacks = planned.fallbacks + run.fallbacks
    return ChainEdited(run.picture, (canvas.height, canvas.width), run.denoising, fallbacks)


def wish_of_edit(deployed: DeployedChain, edit: ChainEdit) -> Wish:
    """Return what an edit asks of a model, the profile's settings where it asks for nothing."""
    settings = deployed.settings
    height, width = edit.picture.shape[:2]
    return Wish(
        holes=(),
        height=height,
        width=width,
        sizes=settings.sizes,
        steps=settings.steps if edit.steps is None else edit.steps,
        explicit=edit.steps is not None,
        strength=edit.strength,
        references=1,
        shown=tuple((one.shape[0], one.shape[1]) for one in edit.references),
        texts=1 + bool(_unwanted(deployed, edit)),
    )


def _check(deployed: DeployedChain, edit: ChainEdit) -> None:
    chain = deployed.chain
    if deployed.schedule is None:
        missing = PawfectError(ErrorKind.UNAVAILABLE, f"the profile has no {chain.name}")
        raise deployed.error or missing
    if not chain.edits:
        problem = f"{chain.title} fills what a mask marks, it does not edit by words"
        raise PawfectError(ErrorKind.UNAVAILABLE, f"engine={chain.name}: {problem}")
    named = [("IMAGE", edit.picture), *(("REFERENCE", one) for one in edit.references)]
    if edit.start is not None:
        named.append(("START", edit.start))
    for name, picture in named:
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise invalid(name, "UINT8 [h, w, 3]", f"{picture.dtype} {list(picture.shape)}")
        if not picture.size:
            raise invalid(name, "some pixels", "none")
    token_grid(edit.picture.shape[0], edit.picture.shape[1])
    first_step(deployed.settings.steps if edit.steps is None else edit.steps, edit.strength)
    if edit.start is not None and edit.start.shape != edit.picture.shape:
        raise invalid("START", f"the picture's {list(edit.picture.shape)}", list(edit.start.shape))
    number = len(edit.references)
    if number > MAX_REFERENCES:
        raise invalid("REFERENCE", f"at most {MAX_REFERENCES}", number)
    if number < edit.needed:
        raise invalid("REFERENCE", f"at least {edit.needed}", number or "none")
    if edit.mask is not None:
        if edit.mask.dtype != np.uint8 or edit.mask.shape != edit.picture.shape[:2]:
            expected = f"UINT8 {list(edit.picture.shape[:2])}, as the picture"
            raise invalid("MASK", expected, f"{edit.mask.dtype} {list(edit.mask.shape)}")
        if not (edit.mask >= MASK_THRESHOLD).any():
            raise invalid("MASK", f"some pixels >= {MASK_THRESHOLD} (to change)", "none")


def _guidance(deployed: DeployedChain, edit: ChainEdit) -> float:
    own = edit.guidance_scale
    return deployed.settings.guidance_scale if own is None else own


def _unwanted(deployed: DeployedChain, edit: ChainEdit) -> str:
    """Return what is not wanted; empty where no step would read it."""
    if not deployed.chain.negative or _guidance(deployed, edit) <= 1:
        return ""
    return deployed.settings.unwanted if edit.unwanted is None else edit.unwanted


async def _encode_instruction(
    asking: Asking, deployed: DeployedChain, edit: ChainEdit, wish: Wish, plan: Plan
) -> Text:
    """Embed the instruction; INVALID_ARG where the encoder would leave out a part of it."""
    chain = deployed.chain
    pictures: tuple[Picture, ...] = ()
    if chain.sees_pictures:
        pictures = await asyncio.to_thread(_pictures, edit, wish, plan)
    unwanted = _unwanted(deployed, edit)
    text = await encode_text(asking, chain, edit.instruction, pictures, unwanted)
    if text.cut:
        most = deployed.settings.text_tokens
        raise invalid("instruction", f"at most {most} tokens", f"{most + text.cut}")
    return text


def _pictures(edit: ChainEdit, wish: Wish, plan: Plan) -> tuple[Picture, ...]:
    """Return the picture and its references at the sizes of a plan."""
    canvases = (plan.canvases[0], *wish.pictures(plan.size))
    whole = (edit.picture, *edit.references)
    return tuple(canvas.take(one) for canvas, one in zip(canvases, whole, strict=True))


def _sampling(deployed: DeployedChain, edit: ChainEdit, wish: Wish, plan: Plan) -> Sampling:
    assert deployed.schedule is not None
    run = steps_run(plan.steps, wish.strength)
    return Sampling(
        deployed.chain,
        deployed.schedule,
        plan.steps,
        _guidance(deployed, edit),
        wish.strength,
        edit.preview_every,
        min(LEAST_STEPS, math.ceil(run / 2)),
    )


async def _draw(
    asking: Asking,
    edit: ChainEdit,
    wish: Wish,
    plan: Plan,
    sampling: Sampling,
    pace: Pace,
    text: Text,
    on_step: OnStep,
) -> Picture:
    """Encode, denoise and decode by one plan: UINT8 [H, W, 3]."""
    own, canvas, began = pace.canvases[0], plan.canvases[0], asking.control.clock()
    encoded = await _encode(asking, edit, wish, plan, sampling)
    own.encoded((asking.control.clock() - began) * 1000)
    latents = await denoise(asking, encoded, text, sampling, own, on_step)
    return await decode_canvas(asking, sampling.chain, canvas, latents)


async def _encode(
    asking: Asking, edit: ChainEdit, wish: Wish, plan: Plan, sampling: Sampling
) -> Encoded:
    chain, canvas = sampling.chain, plan.canvases[0]
    picture, *further = await asyncio.to_thread(_pictures, edit, wish, plan)
    share = None
    if edit.mask is not None:
        assert chain.put_back is not None
        mask = np.where(edit.mask >= MASK_THRESHOLD, np.uint8(255), np.uint8(0))
        share = chain.put_back(await asyncio.to_thread(canvas.take_mask, mask))
    masked, given = share is not None, (edit.seed, edit.toward)
    noise, prior = await encode_picture(asking, chain, picture, *given, masked=masked)
    references = [(prior, canvas.grid)]
    if edit.start is not None:
        start = await asyncio.to_thread(canvas.take, edit.start)
        _, prior = await encode_picture(asking, chain, start, *given, masked=masked)
    for one, fitted in zip(further, wish.pictures(plan.size), strict=True):
        _, latents = await encode_picture(asking, chain, one, edit.seed)
        references.append((latents, fitted.grid))
    return Encoded(canvas.grid, noise, prior, share, referring(references))
