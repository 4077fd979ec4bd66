"""One candidate of a search: a try as a fill by the engine, or by what varies it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.parameters import DENOISING
from pawfect.contract.report import Fallback
from pawfect.orchestrator.calls import CallModel
from pawfect.orchestrator.chain_fill import FLOOR_PX
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import Deployment
from pawfect.orchestrator.engine import CleanedMask, Task, Toward, clean_mask
from pawfect.orchestrator.flow import ENGINES
from pawfect.orchestrator.lama import floor_photo, weights_of
from pawfect.orchestrator.patched import Patched
from pawfect.orchestrator.progress import ProgressReporter
from pawfect.orchestrator.request import InpaintRequest, silent
from pawfect.orchestrator.turning import Symmetry, seen_task
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

Picture = NDArray[np.uint8]
# What FLUX is asked for where nothing better is known: whatever goes on behind the hole.
_NEUTRAL: Final = "background"
_MAX_GUIDANCE: Final = 100.0


@dataclass(frozen=True, eq=False)
class Base:
    """What all candidates of a search share.

    Attributes:
        request: as one inpainting would be asked for; its seed is the search's.
        cleaned: its mask, cleaned.
        engine: flux, lama or patch.
        deployment: which engines there are.
        call: calls the models.
        plan_ms: what FLUX's plan of one candidate may take, ms.
        floor: the photo filled without FLUX; None until the undiffused candidate is there.
    """

    request: InpaintRequest
    cleaned: CleanedMask
    engine: str
    deployment: Deployment
    call: CallModel
    plan_ms: float
    floor: Patched | None = None


@dataclass(frozen=True, eq=False)
class Proposed:
    """A candidate's picture.

    Attributes:
        image: UINT8 [H, W, 3], outside the holes and their feather the photo.
        engine: what filled it.
        settings: what it was made with beside the seed, by name.
        fallbacks: what was done without.
        weights: identity of the weights that made it, by component.
        floor: of the undiffused one, for those after it.
    """

    image: Picture
    engine: str
    settings: Mapping[str, Any]
    fallbacks: tuple[Fallback, ...] = ()
    weights: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    floor: Patched | None = None


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
    task = _with_params(task, seed=tried.seed)
    return await _MAKERS[tried.variation.name](task, base.engine, tried, parent)


async def _undiffused(task: Task, engine: str, tried: Try, parent: Picture | None) -> Proposed:
    del tried, parent
    floor = await floor_photo(task, FLOOR_PX if engine in DENOISING else None)
    weights = weights_of(task, floor)
    return Proposed(floor.image, floor.engine, {}, floor.fallbacks, weights, floor)


async def _filled(task: Task, engine: str, tried: Try, parent: Picture | None) -> Proposed:
    """Fill as one inpainting would: the parent's variation holds for its children too."""
    task = replace(task, start=parent)
    for each in (tried.parent, tried):
        vary = _CHANGES.get(each.variation.name) if each is not None else None
        if vary is not None and each is not None:
            task = vary(task, engine, each)
    fill = await ENGINES[engine](task)
    settings = _settings(task, fill.denoising.guidance_scale, fill.prompting.prompt)
    return Proposed(fill.image, fill.engine, settings, fill.fallbacks, fill.weights)


async def _flipped(task: Task, engine: str, tried: Try, parent: Picture | None) -> Proposed:
    """Fill the photo as it is seen in a mirror or turned, and turn the fill back."""
    del parent
    variation = tried.variation
    quarters = int(variation.settings["quarters"])
    symmetry = Symmetry(variation.name == MIRRORED, quarters)
    turned = await asyncio.to_thread(seen_task, task, symmetry)
    fill = await ENGINES[engine](turned)
    image = symmetry.restored(fill.image)
    return Proposed(image, fill.engine, {"quarters": quarters}, fill.fallbacks, fill.weights)


async def _anew(task: Task, engine: str, tried: Try, parent: Picture | None) -> Proposed:
    """Search the worst part of the parent's fill anew, and keep the rest of it."""
    assert parent is not None
    del tried
    part = await asyncio.to_thread(worst_part, parent, task.cleaned.mask)
    params = replace(task.request.params, dilate_px=0, least_speck_px=0, fill_outlines=False)
    request = replace(task.request, image=parent, mask=part, params=params)
    cleaned = await clean_mask(request, task.call, task.control)
    fill = await ENGINES[engine](replace(task, request=request, cleaned=cleaned, floor=None))
    settings = {"part_px": int(np.count_nonzero(cleaned.mask))}
    return Proposed(fill.image, fill.engine, settings, fill.fallbacks, fill.weights)


Make = Callable[[Task, str, Try, Picture | None], Awaitable[Proposed]]
_MAKERS: Final[Mapping[str, Make]] = MappingProxyType(
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


def _guided(task: Task, engine: str, tried: Try) -> Task:
    asked = task.request.params.guidance_scale
    usual = task.deployment.chain(engine).settings.guidance_scale if asked is None else asked
    scale = min(usual * float(tried.variation.settings["factor"]), _MAX_GUIDANCE)
    return _with_params(task, guidance_scale=scale)


def _prompted(task: Task, engine: str, tried: Try) -> Task:
    """Ask for the first surface alone where there are several, else for nothing in particular."""
    del engine, tried
    labels = task.request.scene_labels
    prompt = labels[0] if len(labels) > 1 else _NEUTRAL
    return replace(task, request=replace(task.request, prompt=prompt))


def _renoised(task: Task, engine: str, tried: Try) -> Task:
    del engine
    return _with_params(task, strength=float(tried.variation.settings["strength"]))


def _turned_noise(task: Task, engine: str, tried: Try) -> Task:
    del engine
    assert tried.parent is not None
    toward = Toward(tried.seed, float(tried.variation.settings["angle"]))
    return replace(_with_params(task, seed=tried.parent.seed), toward=toward)


_CHANGES: Final[Mapping[str, Callable[[Task, str, Try], Task]]] = MappingProxyType(
    {
        GUIDANCE: _guided,
        PROMPT: _prompted,
        RENOISED: _renoised,
        NEIGHBOURHOOD: _turned_noise,
    }
)


def _settings(task: Task, guidance_scale: float | None, prompt: str | None) -> dict[str, Any]:
    """Return what a fill was made with, as far as it is not every one's."""
    settings: dict[str, Any] = {"guidance_scale": guidance_scale, "prompt": prompt}
    settings["strength"] = task.request.params.strength
    if task.toward is not None:
        settings |= {"noise_seed": task.request.params.seed, "angle": task.toward.angle}
    return {name: value for name, value in settings.items() if value is not None}


def _with_params(task: Task, **params: Any) -> Task:
    changed = replace(task.request.params, **params)
    return replace(task, request=replace(task.request, params=changed))
