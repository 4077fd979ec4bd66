"""`text` within the flow of `refine`: what reads, what fills, and how far it is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.reading import ReadingReport, ReadText, read_texts_of
from pawfect.contract.refine import TextPayload
from pawfect.contract.report import Fallback
from pawfect.contract.tensors import MASK_THRESHOLD, MIN_SIDE
from pawfect.orchestrator.engine import NO_PARAMETERS
from pawfect.orchestrator.progress import preview_of
from pawfect.orchestrator.request import InpaintRequest, Progress
from pawfect.orchestrator.work import Part, Work
from pawfect.refine.repaired import Repaired
from pawfect.refine.text import TextFreedom, repair_text

READING: Final = "text_reading"
# The parts of the work: the photo read and its old letters filled, then each correction set.
_FILLED: Final = "fill"
_UNREAD: Final = "the instructions were not read: new letters follow the old ones alone"


@dataclass
class _Used:
    """What the models of one request had to do without, and the weights in use."""

    fallbacks: list[Fallback] = field(default_factory=list)
    weights: dict[str, str] = field(default_factory=dict)


async def repair_lettering(work: Work) -> Repaired:
    """Correct the texts of a request.

    Raises:
        PawfectError: UNAVAILABLE where the profile has no `text_reading`; as that, `inpaint` and
            `repair_text` fail.
    """
    request, fill = work.request, work.refining.fill
    assert isinstance(request.payload, TextPayload)
    if READING not in fill.profile.models:
        message = f"{READING}: expected it in the profile, {fill.profile.name} has none"
        raise PawfectError(ErrorKind.UNAVAILABLE, message)
    number = len(request.payload.corrections) + 1
    used, params = _Used(), replace(work.fill_params(), protect="none")

    async def read(image: NDArray[np.uint8]) -> tuple[ReadText, ...]:
        inputs = {"IMAGE": _large_enough(image)}
        with work.control.stage(READING):
            asking = work.call(READING, inputs, NO_PARAMETERS)
            out = await work.control.wait(READING, asking)
        used.weights |= ReadingReport.from_json(out["REPORT"][0]).weights
        return read_texts_of(out)

    async def fill_letters(
        image: NDArray[np.uint8],
        mask: NDArray[np.uint8],
        protect: NDArray[np.uint8] | None = None,
    ) -> NDArray[np.uint8]:
        hole = InpaintRequest(image, mask, params, protect)
        result = await work.fill(hole, work.control, Part(_FILLED, 0, number))
        used.fallbacks += result.report.fallbacks
        used.weights |= result.report.weights
        return result.image

    async def on_set(place: int, image: NDArray[np.uint8]) -> None:
        part = Part(f"text {place + 1} of {number - 1}", place + 1, number)
        shown = await asyncio.to_thread(preview_of, image)
        await work.notify(Progress(part.name, part.share(1.0), shown))

    freedom = TextFreedom(reuse=work.level.reuse)
    asked = request.image, request.payload, freedom
    setting = repair_text(*asked, fill_letters, read, on_set, request.params.seed)
    # The letters are set in threads that cannot be interrupted.
    repaired = await work.control.wait("text", setting)
    return Repaired(
        await asyncio.to_thread(_kept, request.image, repaired.image, request.protect),
        "lettering",
        corrections=repaired.corrections,
        notes=() if request.payload.instructions is None else (_UNREAD,),
        fallbacks=tuple(used.fallbacks),
        weights=used.weights,
    )


def _large_enough(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a part of a photo with its right and lower edge repeated up to the smallest size."""
    lacking = [max(MIN_SIDE - side, 0) for side in image.shape[:2]]
    if not any(lacking):
        return image
    return np.pad(image, ((0, lacking[0]), (0, lacking[1]), (0, 0)), mode="edge")


def _kept(
    before: NDArray[np.uint8], after: NDArray[np.uint8], protect: NDArray[np.uint8] | None
) -> NDArray[np.uint8]:
    if protect is None:
        return after
    return np.where((protect >= MASK_THRESHOLD)[..., None], before, after)
