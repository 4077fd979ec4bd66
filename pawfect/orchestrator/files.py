"""`inpaint_file`: files in and a file out, filled by the flow of `inpaint`.

The flow runs here, not behind a call of the model `inpaint`: an orchestrator that is called by
another is not told when its caller cancels.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.parameters import InpaintFileParams, InpaintParams
from pawfect.contract.probe import probe_mask, probe_photo
from pawfect.contract.report import Report
from pawfect.contract.tensors import Array
from pawfect.contract.texts import read_texts
from pawfect.orchestrator.calls import CallModel
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import Deployment
from pawfect.orchestrator.flow import inpaint
from pawfect.orchestrator.picture_files import (
    file_answer,
    file_of,
    given_bytes,
    pixels_of,
    probe_file,
    writing_ms,
    written,
)
from pawfect.orchestrator.request import InpaintRequest, Notify, silent
from pawfect.orchestrator.serving import Orchestration, deployed
from pawfect.photo.alpha import Ask
from pawfect.photo.filling import FilledPhoto, filling, next_step
from pawfect.photo.formats import FORMAT_NAMES, WRITTEN_AS
from pawfect.photo.mask_file import decode_mask_file, decode_protect
from pawfect.photo.photo import Photo, decode_photo
from pawfect.photo.saving import check_format, check_quality, losses


@dataclass(frozen=True)
class FileRequest:
    """One request, its files as they came.

    Attributes:
        photo: a picture's file, or its base64.
        mask: the same of what is to be filled.
        protect: the same of what is never filled, or None.
        scene_labels: surfaces around the hole, where the caller knows them.
        prompt: what to fill with, where the caller has one.
        params: the scalars.
    """

    photo: bytes
    mask: bytes
    protect: bytes | None
    scene_labels: tuple[str, ...]
    prompt: str | None
    params: InpaintFileParams


@dataclass(frozen=True)
class FileResult:
    """The answer to one request.

    Attributes:
        file: the filled photo's file, or its base64.
        report: how it came about.
    """

    file: bytes
    report: Report


@dataclass(frozen=True, eq=False)
class _Opened:
    """What a request's files hold, and how the result is written.

    Attributes:
        photo: what is to be filled.
        mask: UINT8 [H, W], >= 128 = fill.
        protect: UINT8 [H, W], >= 128 = never filled, or None.
        mask_note: how the mask was read, where that had to be found out.
        kind: one of `pawfect.photo.formats.WRITTEN`.
    """

    photo: Photo
    mask: NDArray[np.uint8]
    protect: NDArray[np.uint8] | None
    mask_note: str | None
    kind: str


async def inpaint_file(
    request: FileRequest,
    deployment: Deployment,
    call: CallModel,
    control: Control,
    notify: Notify = silent,
) -> FileResult:
    """Fill what the mask's file covers, and write the photo as its own file was.

    Args:
        request: files and wishes.
        deployment: as for `inpaint`.
        call: calls the models of the profile.
        control: deadline, cancellation and stage times; reading and writing count.
        notify: as for `inpaint`.

    Raises:
        PawfectError: INVALID_ARG for a file that cannot be read, a mask of another size, or a
            format that cannot hold the photo; else as `inpaint` does.
    """
    params = request.params
    with control.stage("decode"):
        opened = await control.wait("decode", asyncio.to_thread(_opened, request))
    alpha, wishes = opened.photo.alpha is not None, (params.quality, params.deadline_ms)
    reserve_ms = writing_ms(opened.photo, opened.kind, *wishes, alpha=alpha)
    early = control.reserving(reserve_ms)
    filled = await _filled(opened, request, deployment, call, early, notify)
    with control.stage("encode"):
        result = (filled.photo, opened.kind, params.quality, params.encoding)
        file = await control.wait("encode", asyncio.to_thread(written, *result))
    report = replace(
        filled.report,
        mask_note=opened.mask_note,
        lost=losses(opened.photo, opened.kind),
        stage_ms=control.stage_ms,
        total_ms=control.total_ms(),
    )
    return FileResult(file, report)


async def _filled(
    opened: _Opened,
    request: FileRequest,
    deployment: Deployment,
    call: CallModel,
    control: Control,
    notify: Notify,
) -> FilledPhoto:
    """Ask the flow of `inpaint` for all that the photo needs."""
    own = InpaintParams.__dataclass_fields__
    wishes = {name: getattr(request.params, name) for name in own}
    words = {"scene_labels": request.scene_labels, "prompt": request.prompt}
    steps = filling(opened.photo, opened.mask, opened.protect, wishes | words)
    step = await asyncio.to_thread(next_step, steps)
    while not isinstance(step, FilledPhoto):
        answer = await inpaint(_asked(*step), deployment, call, control, notify)
        # Of a large photo it is 150 MB, which the next request needs.
        del step
        step = await asyncio.to_thread(next_step, steps, answer)
        del answer
    return step


def _asked(ask: Ask, given: Mapping[str, Any]) -> InpaintRequest:
    scalars = dict(given)
    labels, prompt = scalars.pop("scene_labels", ()), scalars.pop("prompt", None)
    params = InpaintParams(**scalars)
    return InpaintRequest(ask.image, ask.mask, params, ask.protect, labels, prompt)


def _opened(request: FileRequest) -> _Opened:
    """Read the files, and check that the result can be written before any work is spent on it."""
    params = request.params
    photo = decode_photo(file_of(request.photo, "PHOTO", params.encoding), "PHOTO")
    named = FORMAT_NAMES[params.format] if params.format else None
    kind = named or WRITTEN_AS.get(photo.format, photo.format)
    check_format(photo, kind, "format")
    check_quality(params.quality, kind)
    mask = decode_mask_file(file_of(request.mask, "MASK", params.encoding), photo, "MASK", params)
    protect = None
    if request.protect is not None:
        data = file_of(request.protect, "PROTECT", params.encoding)
        protect = decode_protect(data, photo, "PROTECT", fit_mask=params.fit_mask)
    return _Opened(photo, mask.mask, protect, mask.note, kind)


def _request(inputs: Mapping[str, Array], params: InpaintFileParams) -> FileRequest:
    photo, mask = given_bytes(inputs, "PHOTO"), given_bytes(inputs, "MASK")
    assert photo is not None
    assert mask is not None
    prompts = read_texts("PROMPT", inputs.get("PROMPT"))
    return FileRequest(
        photo=photo,
        mask=mask,
        protect=given_bytes(inputs, "PROTECT"),
        scene_labels=read_texts("SCENE_LABELS", inputs.get("SCENE_LABELS")),
        prompt=prompts[0] if prompts else None,
        params=params,
    )


def probe(settings: object) -> dict[str, Array]:
    """Return the files of a tiny request; there are no settings."""
    del settings
    return {"PHOTO": probe_file(probe_photo()), "MASK": probe_file(probe_mask())}


INPAINT_FILE: Final = Orchestration(
    deploy=deployed,
    decode=_request,
    run=inpaint_file,
    encode=lambda result: file_answer(result.file, result.report.to_json()),
    fallbacks=lambda result: result.report.fallbacks,
    pixels=pixels_of(("PHOTO", "MASK", "PROTECT")),
    engine=lambda result: result.report.engine,
)
