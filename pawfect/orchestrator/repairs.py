"""The four repairs within the flow: each is given the models and engines that it works with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import invalid
from pawfect.contract.parameters import DENOISING
from pawfect.contract.refine import GeneralPayload, RegionPayload, SubjectPayload
from pawfect.contract.report import Report
from pawfect.contract.tensors import MASK_THRESHOLD
from pawfect.orchestrator.chain_editor import ChainEditor
from pawfect.orchestrator.deployment import DeployedChain
from pawfect.orchestrator.lettering import repair_lettering
from pawfect.orchestrator.progress import preview_of
from pawfect.orchestrator.protecting import find_protected
from pawfect.orchestrator.refining import RefineRequest
from pawfect.orchestrator.request import InpaintRequest, Progress
from pawfect.orchestrator.work import BEGINS, Part, Work
from pawfect.refine.editing import Edit, Edited, EditTask
from pawfect.refine.general import repair_all
from pawfect.refine.region import place_regions, repair_regions
from pawfect.refine.remote import RemoteEngine
from pawfect.refine.repaired import Repaired
from pawfect.refine.subject import repair_subject


async def _region(work: Work) -> Repaired:
    request, control, fill = work.request, work.control, work.refining.fill
    assert isinstance(request.payload, RegionPayload)
    payload, (height, width) = request.payload, request.image.shape[:2]
    with control.stage("regions"):
        placing = asyncio.to_thread(place_regions, payload, request.masks, height, width)
        placed = await control.wait("regions", placing)
    params = work.fill_params()
    # Looked for once, with all that is to be replaced marked.
    marked = await asyncio.to_thread(lambda: placed.all)
    whole = InpaintRequest(request.image, marked, params, request.protect)
    protected = await find_protected(whole, fill, work.call, control)
    number = len(placed.regions)
    # What denoises plans for all the time there is: what comes after needs its own.
    plans = fill.engine(params.engine)[0] in DENOISING

    async def fill_one(
        image: NDArray[np.uint8],
        mask: NDArray[np.uint8],
        protect: NDArray[np.uint8] | None,
        prompt: str | None,
        place: int,
    ) -> tuple[NDArray[np.uint8], Report]:
        later = (number - place - 1) / (number - place) if plans else 0.0
        early = control.reserving(max(control.remaining_ms(), 0.0) * later)
        # What a network finds was looked for above.
        own = replace(params, protect="none")
        asked = InpaintRequest(image, mask, own, protect, prompt=prompt)
        result = await work.fill(asked, early, _part(place, number))
        return result.image, result.report

    async def on_filled(place: int, image: NDArray[np.uint8]) -> None:
        part = _part(place, number)
        shown = await asyncio.to_thread(preview_of, image)
        await work.notify(Progress(part.name, part.share(1.0), shown))

    repaired = await repair_regions(request.image, placed, protected.mask, fill_one, on_filled)
    kept = () if protected.mask is None else (f"protected: {protected.reason}",)
    return replace(
        repaired,
        notes=(*repaired.notes, *kept),
        fallbacks=(*protected.fallbacks, *repaired.fallbacks),
        weights={**repaired.weights, **protected.weights(fill.finders)},
    )


def _part(place: int, number: int) -> Part:
    return Part(f"region {place + 1} of {number}", place, number)


async def _subject(work: Work) -> Repaired:
    payload = work.request.payload
    assert isinstance(payload, SubjectPayload)
    edit, mask = await _edit(work)
    reference = work.request.reference
    return await repair_subject(work.request.image, payload, mask, reference, work.level, edit)


async def _general(work: Work) -> Repaired:
    payload = work.request.payload
    assert isinstance(payload, GeneralPayload)
    edit, mask = await _edit(work)
    return await repair_all(work.request.image, payload, mask, work.level, edit)


async def _edit(work: Work) -> tuple[Edit, NDArray[np.uint8] | None]:
    """Return what edits by words, and what may change of the picture, UINT8 [H, W], or None."""
    editor = work.refining.editor(work.request.params)
    mask = await asyncio.to_thread(_changeable, work.request)
    if isinstance(editor, DeployedChain):
        return ChainEditor(work, editor, mask), mask
    return _Remotely(work, editor), mask


@dataclass(frozen=True, eq=False)
class _Remotely:
    """A remote engine as a stage of the request; see `pawfect.refine.editing.Edit`."""

    work: Work
    engine: RemoteEngine

    @property
    def sizes(self) -> Sequence[int]:
        return self.engine.sizes

    async def __call__(self, task: EditTask) -> Edited:
        await self.work.notify(Progress("edit", BEGINS))
        with self.work.control.stage("edit"):
            return await self.work.control.wait("edit", self.engine(task))


def _changeable(request: RefineRequest) -> NDArray[np.uint8] | None:
    """Return what may change, UINT8 [H, W], 255 = it; None: everything.

    Raises:
        PawfectError: INVALID_ARG where MASKS mark nothing, or PROTECT leaves nothing of it.
    """
    if request.masks is None and request.protect is None:
        return None
    marked = np.ones(request.image.shape[:2], np.bool_)
    if request.masks is not None:
        marked = (request.masks >= MASK_THRESHOLD).any(axis=0)
        if not marked.any():
            raise invalid("MASKS", f"some pixels >= {MASK_THRESHOLD} (to change)", "none")
    if request.protect is not None:
        marked &= request.protect < MASK_THRESHOLD
        if not marked.any():
            raise invalid("PROTECT", "some of what may change left free", "none")
    return marked.astype(np.uint8) * np.uint8(255)


Repair = Callable[[Work], Awaitable[Repaired]]

# By the types of the contract.
REPAIRS: Final[Mapping[str, Repair]] = MappingProxyType(
    {"subject": _subject, "text": repair_lettering, "region": _region, "general": _general}
)
