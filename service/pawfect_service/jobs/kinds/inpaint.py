"""Inpainting: a photo and a mask become the photo with the hole filled, and a preview of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from opentelemetry.trace import SpanKind

from pawfect.contract.errors import invalid
from pawfect.contract.parameters import InpaintParams, MaskFileParams, Scalar
from pawfect.photo.image_file import read_header
from pawfect.photo.photo import Photo
from pawfect_client.results import Done
from pawfect_service.jobs.base import BASE_FIELD
from pawfect_service.jobs.fields import SceneLabels, storable
from pawfect_service.jobs.kinds.kind import (
    Accepted,
    Kind,
    Made,
    OnProgress,
    Task,
    Tools,
    checked_in_time,
)
from pawfect_service.jobs.kinds.pictures import (
    UNDERSTOOD,
    UNSAID,
    Pictures,
    check_headers,
    check_upload,
    edited_jpeg,
    preview_jpeg,
    read_pictures,
)
from pawfect_service.jobs.kinds.room import DECODING
from pawfect_service.jobs.kinds.run_pictures import check_base
from pawfect_service.jobs.kinds.telling import followed, tell
from pawfect_service.telemetry.traces import span

T = TypeVar("T")
ORIGINAL: Final = "original.jpg"
MASK: Final = "mask_auto.png"
PROTECT: Final = "protect.png"
EDITED: Final = "edited.jpg"
PREVIEW: Final = "preview.jpg"
# The texts of a request that say in words what to remove, and how sure to be of it.
REMOVE: Final = "remove"
LEAST_SCORE: Final = "least_score"


@dataclass(frozen=True)
class Parameters:
    """What an inpainting was asked for.

    Attributes:
        scalars: those of InpaintParams that were given.
        prompt: what to fill with, or None.
        reading: how the mask's file was to be read.
    """

    scalars: Mapping[str, Scalar]
    prompt: str | None
    reading: MaskFileParams


class Inpaint:
    """The kind `inpaint`."""

    name = "inpaint"
    # A request has a mask or words in its place; a job has a mask.
    fields: Mapping[str, bool] = {"photo": True, "mask": False, "protect": False}
    texts: tuple[str, ...] = ("prompt", REMOVE, LEAST_SCORE, *MaskFileParams.__dataclass_fields__)
    inputs: Mapping[str, str] = {"original": ORIGINAL, "mask": MASK}
    optional: Mapping[str, str] = {"protect": PROTECT}
    outputs: Mapping[str, str] = {"preview": PREVIEW, "edited": EDITED}
    labelled = True
    varied: tuple[str, ...] = ()
    picture: str | None = "edited"
    signed = False

    def parse(self, parameters: Mapping[str, Scalar], texts: Mapping[str, str]) -> Parameters:
        """Return what a request asks for; INVALID_ARG as its parameters' classes say."""
        InpaintParams.parse(parameters)
        return Parameters(parameters, texts.get("prompt"), read_reading(texts))

    def checked(self, parameters: Mapping[str, Any], longest_s: float) -> dict[str, Scalar]:
        """Return the scalars that were given; INVALID_ARG also for too late a deadline."""
        return checked_in_time(InpaintParams.parse(parameters), parameters, longest_s)

    def check(
        self,
        files: Mapping[str, bytes],
        parameters: Mapping[str, Scalar],
        texts: Mapping[str, str],
        *,
        headers_only: bool,
    ) -> Accepted:
        """Return photo and masks as they are stored; INVALID_ARG as `check_upload` says."""
        if "mask" not in files:
            raise invalid("mask", "a file", "none")
        base = files.get(BASE_FIELD)
        photo = files["photo"] if base is None else check_base(base)
        check = check_headers if headers_only else check_upload
        others = files["mask"], files.get("protect"), texts.get("prompt"), read_reading(texts)
        stored = in_turn(partial(check, kept=base is not None), photo, *others)
        named = {"original": stored.photo, "mask": stored.mask}
        if stored.protect is not None:
            named["protect"] = stored.protect
        return Accepted(named, stored.note)

    async def find_labels(self, files: Mapping[str, bytes], tools: Tools) -> SceneLabels:
        """Return what the server's `scene_labels` says of the photo round its mask."""
        # The worker refuses what is wrong with the mask: its labels do no harm.
        named = files["original"], files["mask"], None, None, UNDERSTOOD
        pictures = await tools.off_loop(in_turn, read_pictures, *named)
        found = await tools.labeller.scene_labels(pictures.photo.pixels, pictures.mask)
        return SceneLabels(
            labels=tuple(map(storable, found.labels)),
            scores=found.scores,
            coverage=found.coverage,
            source="sam3",
            model="scene_labels",
            timestamp=time.time(),
        )

    async def work(self, task: Task, tools: Tools, on_progress: OnProgress) -> Made:
        """Have the server fill the hole; `on_progress` hears of each of its stages."""
        with span("decode pictures"):
            names = ("original", "mask", "protect")
            files = (task.files.get(name) for name in names)
            asked: Parameters = task.parameters
            reading = understood(asked)
            given = *files, asked.prompt, reading
            pictures = await tools.off_loop(in_turn, read_pictures, *given)
        done = await self._filled(pictures, task, tools, on_progress)
        with span("encode pictures"):
            outputs = await self._written(pictures.photo, done, tools)
        report = done.report
        return Made(outputs, report.to_json(), round(report.total_ms / 1000, 3))

    async def _filled(
        self, pictures: Pictures, task: Task, tools: Tools, on_progress: OnProgress
    ) -> Done:
        # Nobody sees a session's previews: they are not sent.
        return await filled(pictures, task, tools, on_progress, {"preview_every": 0})

    async def _written(self, photo: Photo, done: Done, tools: Tools) -> dict[str, bytes]:
        edited, preview = await asyncio.gather(
            tools.off_loop(edited_jpeg, photo, done.image, done.report.engine),
            tools.off_loop(preview_jpeg, photo, done.image),
        )
        return {"edited": edited, "preview": preview}


def understood(asked: Parameters) -> MaskFileParams:
    """Return how a stored mask is read: one that took reading is stored as it was understood."""
    return UNSAID if asked.reading == UNSAID else UNDERSTOOD


def read_reading(texts: Mapping[str, str]) -> MaskFileParams:
    """Return how a mask's file is to be read; a form has texts alone, `true` and `false` too."""
    flags = {"true": True, "false": False}
    given = {
        name: text for name, text in texts.items() if name in MaskFileParams.__dataclass_fields__
    }
    return MaskFileParams.parse({name: flags.get(text, text) for name, text in given.items()})


def in_turn(work: Callable[..., T], photo: bytes, *others: Any) -> T:
    """Return what work on files gives, done while there is room for the photo's pixels."""
    width, height = read_header(photo, "photo").stored_size
    with DECODING.taken(width * height):
        return work(photo, *others)


async def filled(
    pictures: Pictures,
    task: Task,
    tools: Tools,
    on_progress: OnProgress,
    parameters: Mapping[str, Scalar],
) -> Done:
    """Return what the server fills the hole with.

    Args:
        pictures: photo and masks.
        task: what was asked for.
        tools: the server.
        on_progress: hears of each stage, and sees the previews.
        parameters: those that are this service's choice.
    """
    scalars: dict[str, Any] = {**task.parameters.scalars, **parameters}
    unless_given = scalars.pop("protect", None)
    with span("triton inpaint_stream", SpanKind.CLIENT, attributes=task.span_attributes):
        stream = tools.triton.inpaint_stream(
            pictures.photo.pixels,
            pictures.mask,
            protect=unless_given if pictures.protect is None else pictures.protect,
            scene_labels=task.labels.labels if task.labels else (),
            prompt=task.parameters.prompt,
            **scalars,
        )
        return await followed(
            stream, Done, lambda event: tell(event, pictures.photo, tools, on_progress)
        )


INPAINT: Final[Kind] = Inpaint()
