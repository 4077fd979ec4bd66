"""One candidate of a search: a try as a fill by the engine, or by what varies it.

`PROPOSERS` has each way of making candidates.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

import numpy as np

from pawfect.contract.parameters import DENOISING
from pawfect.contract.search import EDIT, INPAINT, SWAP
from pawfect.orchestrator.chain_fill import FLOOR_PX
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import Deployment
from pawfect.orchestrator.engine import Task, clean_mask
from pawfect.orchestrator.flow import ENGINES
from pawfect.orchestrator.lama import floor_photo, weights_of
from pawfect.orchestrator.progress import ProgressReporter
from pawfect.orchestrator.proposal import (
    Base,
    Make,
    Picture,
    Proposal,
    Proposed,
    Proposer,
)
from pawfect.orchestrator.replacing import REPLACING, editor_of
from pawfect.orchestrator.request import silent
from pawfect.orchestrator.swap_networks import refiner_of
from pawfect.orchestrator.swap_proposing import SWAPPING
from pawfect.orchestrator.turning import Symmetry, seen_task
from pawfect.orchestrator.varying import settings_of, varied, with_params
from pawfect.scores.faults import worst_part
from pawfect.search.tries import (
    GUIDANCE,
    MIRRORED,
    NEIGHBOURHOOD,
    PROMPT,
    RENOISED,
    SEED,
    TURNED,
    UNDIFFUSED,
    WORST_PART,
    Try,
)


async def propose(base: Base, tried: Try, parent: Picture | None, control: Control) -> Proposed:
    """Make one candidate.

    Args:
        base: the search.
        tried: what is tried.
        parent: UINT8 [H, W, 3], the picture of the candidate that it starts from, or None.
        control: the candidate's own clock.

    Raises:
        PawfectError: as the engine does.
    """
    progress = ProgressReporter(silent, base.request.image, base.cleaned.mask, False)
    given = (base.deployment, base.call, control, progress, base.floor)
    task = Task(base.request, base.cleaned, *given, plan_ms=base.plan_ms)
    task = with_params(task, seed=tried.seed)
    make = PROPOSERS[base.proposer].makers[tried.variation.name]
    return await make(Proposal(task, base, tried, parent))


async def _undiffused(given: Proposal) -> Proposed:
    task = given.task
    floor = await floor_photo(task, FLOOR_PX if given.base.engine in DENOISING else None)
    weights = weights_of(task, floor)
    return Proposed(floor.image, floor.engine, {}, floor.fallbacks, weights, floor)


async def _filled(given: Proposal) -> Proposed:
    """Fill as one inpainting would."""
    engine = given.base.engine
    task = varied(replace(given.task, start=given.parent), engine, given.tried)
    fill = await ENGINES[engine](task)
    settings = settings_of(task, fill.denoising.guidance_scale, fill.prompting.prompt)
    return Proposed(fill.image, fill.engine, settings, fill.fallbacks, fill.weights)


async def _flipped(given: Proposal) -> Proposed:
    """Fill the photo as it is seen in a mirror or turned, and turn the fill back."""
    variation = given.tried.variation
    quarters = int(variation.settings["quarters"])
    symmetry = Symmetry(variation.name == MIRRORED, quarters)
    turned = await asyncio.to_thread(seen_task, given.task, symmetry)
    fill = await ENGINES[given.base.engine](turned)
    image = symmetry.restored(fill.image)
    return Proposed(image, fill.engine, {"quarters": quarters}, fill.fallbacks, fill.weights)


async def _anew(given: Proposal) -> Proposed:
    """Search the worst part of the parent's fill anew, and keep the rest of it."""
    task, parent = given.task, given.parent
    assert parent is not None
    part = await asyncio.to_thread(worst_part, parent, task.cleaned.mask)
    params = replace(task.request.params, dilate_px=0, least_speck_px=0, fill_outlines=False)
    request = replace(task.request, image=parent, mask=part, params=params)
    cleaned = await clean_mask(request, task.call, task.control)
    fill = await ENGINES[given.base.engine](
        replace(task, request=request, cleaned=cleaned, floor=None)
    )
    settings = {"part_px": int(np.count_nonzero(cleaned.mask))}
    return Proposed(fill.image, fill.engine, settings, fill.fallbacks, fill.weights)


_FILLING: Final[Mapping[str, Make]] = MappingProxyType(
    {
        UNDIFFUSED: _undiffused,
        SEED: _filled,
        GUIDANCE: _filled,
        PROMPT: _filled,
        RENOISED: _filled,
        NEIGHBOURHOOD: _filled,
        MIRRORED: _flipped,
        TURNED: _flipped,
        WORST_PART: _anew,
    }
)
# By the names of `pawfect.contract.search.PROPOSERS`.
PROPOSERS: Final[Mapping[str, Proposer]] = MappingProxyType(
    {
        INPAINT: Proposer(Deployment.engine, _FILLING, removes=True),
        EDIT: Proposer(editor_of, REPLACING, removes=False),
        SWAP: Proposer(refiner_of, SWAPPING, removes=False),
    }
)
