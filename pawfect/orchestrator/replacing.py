"""Proposer `edit`: a character in the place of another, by a model that edits.

The way of the published search pipeline: the model is shown the picture round the mask and the
character's, and told what to do; what the mask covers of its answer is composited into the picture.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.search import EDIT, EDIT_STEPS, EDITORS
from pawfect.contract.search_report import INIT
from pawfect.orchestrator.chain_edit import ChainEdit, ChainEdited, edit_by_chain
from pawfect.orchestrator.deployment import Deployment
from pawfect.orchestrator.engine import Task
from pawfect.orchestrator.generate import composited
from pawfect.orchestrator.patch import seed_of
from pawfect.orchestrator.planner import sizes_of
from pawfect.orchestrator.proposal import Character, Make, Picture, Proposal, Proposed
from pawfect.orchestrator.searching import SearchRequest
from pawfect.orchestrator.varying import settings_of, varied
from pawfect.picture.canvas import Canvas, fit_canvas
from pawfect.search.replacement import replacement_instruction
from pawfect.search.tries import GUIDANCE, NEIGHBOURHOOD, RENOISED, SEED, UNDIFFUSED


def editor_of(deployment: Deployment, asked: str) -> tuple[str, str]:
    """Return the engine that makes edits, and why.

    Args:
        deployment: which engines there are.
        asked: auto, the first of EDITORS that the profile has and that can be used; or one.

    Raises:
        PawfectError: UNAVAILABLE where there is none, with why.
    """
    if asked != "auto":
        deployment.editor(asked)
        return asked, "asked for"
    name, lacking = deployment.profile.name, []
    for engine in EDITORS:
        if engine not in deployment.profile.engines:
            continue
        try:
            deployment.editor(engine)
        except PawfectError as error:
            lacking.append(error.message)
            continue
        return engine, "; ".join([f"what edits in profile {name}", *lacking])
    none = f"edit: profile {name} has no {' or '.join(EDITORS)}"
    raise PawfectError(ErrorKind.UNAVAILABLE, "; ".join(lacking) or none)


def character_of(request: SearchRequest, deployment: Deployment, engine: str) -> Character | None:
    """Return who a search is to show; None where its proposer shows nobody.

    Args:
        request: the search's; its PROMPT stands in place of the templates.
        deployment: the models' settings.
        engine: that edits.
    """
    params, own = request.params, request.inpaint.prompt
    if params.proposer != EDIT:
        return None
    assert request.reference is not None
    instruction = own or replacement_instruction(params.character, params.hair)
    distilled = deployment.chain(engine).settings.distilled
    steps = None if distilled else EDIT_STEPS.get(params.preset)
    return Character(request.reference, instruction, steps)


async def _unedited(given: Proposal) -> Proposed:
    return Proposed(given.task.request.image, INIT, {})


async def _replaced(given: Proposal) -> Proposed:
    """Edit what is round each window of the mask, one after the other, and composite them."""
    task, engine = varied(given.task, given.base.engine, given.tried), given.base.engine
    deployed, character = task.deployment.chain(engine), given.base.character
    assert character is not None
    sizes, (height, width) = sizes_of(task, deployed), task.cleaned.mask.shape
    steps = character.steps or deployed.settings.steps
    deployed = replace(deployed, settings=replace(deployed.settings, sizes=sizes, steps=steps))
    windows = task.cleaned.windows
    canvases = [fit_canvas(window.holes, height, width, sizes) for window in windows]
    made, parts = list[ChainEdited](), list[Picture]()
    for index, canvas in enumerate(canvases):
        edit = await asyncio.to_thread(_edit, task, character, given.parent, canvas, index)
        made.append(await edit_by_chain(task, deployed, edit))
        parts.append(await asyncio.to_thread(canvas.put_back, made[-1].picture))
    image = await composited(task, canvases, parts)
    fallbacks = tuple(fallback for one in made for fallback in one.fallbacks)
    settings = _settings(task, character, made[0])
    return Proposed(image, engine, settings, fallbacks, task.deployment.weights_of(engine))


def edit_of(
    task: Task,
    instruction: str,
    picture: Picture,
    start: Picture | None,
    canvas: Canvas,
    index: int,
) -> ChainEdit:
    """Return the edit of one canvas, as a candidate's task has it.

    Args:
        task: the candidate's.
        instruction: what the model is told.
        picture: UINT8 [H, W, 3], what it sees.
        start: UINT8 [H, W, 3], what denoising starts from; None: the picture.
        canvas: round a window of the mask.
        index: of that window.
    """
    params, toward, plan_ms = task.request.params, task.toward, task.plan_ms
    return ChainEdit(
        picture=canvas.take(picture),
        instruction=instruction,
        mask=canvas.take_mask(task.cleaned.mask),
        steps=params.steps,
        guidance_scale=params.guidance_scale,
        strength=params.strength or 1.0,
        seed=seed_of(params.seed, index),
        start=None if start is None else canvas.take(start),
        toward=None if toward is None else replace(toward, seed=seed_of(toward.seed, index)),
        plan_ms=None if plan_ms is None else plan_ms / len(task.cleaned.windows),
    )


def _edit(
    task: Task, character: Character, parent: Picture | None, canvas: Canvas, index: int
) -> ChainEdit:
    """Return the edit of one canvas."""
    photo = task.request.image
    edit = edit_of(task, character.instruction, photo, parent, canvas, index)
    return replace(edit, references=(character.picture,), needed=1)


def _settings(task: Task, character: Character, edited: ChainEdited) -> dict[str, Any]:
    """Return what a candidate was made with, as the largest window has it."""
    denoising = edited.denoising
    return {
        "instruction": character.instruction,
        "steps": denoising.steps,
        "steps_taken": denoising.steps_taken,
        **settings_of(task, denoising.guidance_scale, None),
    }


# By variation.
REPLACING: Final[Mapping[str, Make]] = MappingProxyType(
    {
        UNDIFFUSED: _unedited,
        SEED: _replaced,
        GUIDANCE: _replaced,
        RENOISED: _replaced,
        NEIGHBOURHOOD: _replaced,
    }
)
