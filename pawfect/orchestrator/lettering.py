"""`text` within the flow of `refine`: what reads, what fills, and how far it is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.parameters import DENOISING
from pawfect.contract.reading import ReadingReport, ReadText, read_texts_of
from pawfect.contract.refine import TextPayload
from pawfect.contract.report import Fallback
from pawfect.contract.tensors import MASK_THRESHOLD, MIN_SIDE
from pawfect.orchestrator.engine import NO_PARAMETERS
from pawfect.orchestrator.progress import preview_of
from pawfect.orchestrator.request import InpaintRequest, Progress
from pawfect.orchestrator.work import Part, Work
from pawfect.refine.limits import Limits
from pawfect.refine.repaired import Repaired
from pawfect.refine.text import TextFreedom, repair_text

READING: Final = "text_reading"
# The parts of the work: the photo read and its old letters filled, then each correction set.
_FILLED: Final = "fill"
_SETTING: Final = 0.5  # of the time left after reading: what new letters are set and read in
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
    used, filling = _Used(), _without_denoising(work)
    # Letters with their rims are marked to the pixel: nothing more, and nothing less.
    exact = replace(work.fill_params(), protect="none", dilate_px=0, least_speck_px=0)
    plans = filling.refining.fill.engine(exact.engine)[0] in DENOISING

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
        # What denoises plans for all the time there is: setting and reading need their own.
        later = _SETTING * max(work.control.remaining_ms(), 0.0) if plans else 0.0
        hole = InpaintRequest(image, mask, exact, protect)
        result = await filling.fill(hole, work.control.reserving(later), Part(_FILLED, 0, number))
        used.fallbacks += result.report.fallbacks
        used.weights |= result.report.weights
        return result.image

    async def on_set(place: int, image: NDArray[np.uint8]) -> None:
        part = Part(f"text {place + 1} of {number - 1}", place + 1, number)
        shown = await asyncio.to_thread(preview_of, image)
        await work.notify(Progress(part.name, part.share(1.0), shown))

    freedom = TextFreedom(reuse=work.level.reuse)
    asked = request.image, request.payload, freedom
    ended = Event()
    kept = None
    if request.protect is not None:
        kept = await asyncio.to_thread(np.greater_equal, request.protect, MASK_THRESHOLD)
    limits = Limits(kept, work.control.remaining_ms, ended.is_set)
    setting = repair_text(*asked, fill_letters, read, on_set, request.params.seed, limits)
    try:
        repaired = await work.control.wait("text", setting)
    finally:
        # Threads cannot be interrupted: they look at this.
        ended.set()
    return Repaired(
        repaired.image,
        "lettering",
        corrections=repaired.corrections,
        notes=() if request.payload.instructions is None else (_UNREAD,),
        fallbacks=tuple(used.fallbacks),
        weights=used.weights,
    )


def _without_denoising(work: Work) -> Work:
    """Return the work with a flow of `inpaint` that denoises for those alone who ask for it.

    Such a model may draw letters again, where letters were taken out.
    """
    refining = work.refining
    profile = refining.fill.profile
    others = tuple(engine for engine in profile.engines if engine not in DENOISING)
    if work.request.params.engine != "auto" or not others:
        return work
    fill = replace(refining.fill, profile=replace(profile, engines=others))
    return replace(work, refining=replace(refining, fill=fill))


def _large_enough(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a part of a photo with its right and lower edge repeated up to the smallest size."""
    lacking = [max(MIN_SIDE - side, 0) for side in image.shape[:2]]
    if not any(lacking):
        return image
    return np.pad(image, ((0, lacking[0]), (0, lacking[1]), (0, 0)), mode="edge")
