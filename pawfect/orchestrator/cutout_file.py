"""`background_removal_file`: a photo's file in, the file of its cut-out out.

The flow of `background_removal` runs here, as that of `inpaint` does in `inpaint_file`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from pawfect.contract.cutout import CutoutFileParams, CutoutReport
from pawfect.contract.errors import invalid
from pawfect.contract.probe import probe_photo
from pawfect.contract.tensors import Array
from pawfect.orchestrator.calls import CallModel
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.cutout import CutoutResult, measures_of, remove_background
from pawfect.orchestrator.picture_files import (
    file_answer,
    file_of,
    given_bytes,
    pixels_of,
    probe_file,
    writing_ms,
    written,
)
from pawfect.orchestrator.removal import CutoutRequest, Removal, read_removal
from pawfect.orchestrator.request import Notify, silent
from pawfect.orchestrator.serving import Orchestration
from pawfect.photo.cutting import Cutting, check_cutout, cutout_losses, cutting, format_of
from pawfect.photo.formats import FORMAT_NAMES
from pawfect.photo.photo import Photo, decode_photo


@dataclass(frozen=True)
class CutoutFileRequest:
    """One request, its files as they came.

    Attributes:
        photo: a picture's file, or its base64.
        background: the same of what the subject is laid on, or None.
        params: the scalars.
    """

    photo: bytes
    background: bytes | None
    params: CutoutFileParams


@dataclass(frozen=True)
class CutoutFileResult:
    """The answer to one request.

    Attributes:
        file: the cut-out's file, or its base64.
        report: how it came about.
    """

    file: bytes
    report: CutoutReport


@dataclass(frozen=True, eq=False)
class _Opened:
    """What a request's files hold, and how the result is written.

    Attributes:
        photo: as its file was read.
        cutting: what is asked for.
        kind: one of `pawfect.photo.formats.WRITTEN`.
        params: the request's, with what it is laid on in any case.
    """

    photo: Photo
    cutting: Cutting
    kind: str
    params: CutoutFileParams


async def cutout_file(
    request: CutoutFileRequest,
    removal: Removal,
    call: CallModel,
    control: Control,
    notify: Notify = silent,
) -> CutoutFileResult:
    """Cut the subject out of a photo's file, and write it as a file.

    Args:
        request: files and wishes.
        removal: as for `background_removal`.
        call: calls the models of the profile.
        control: deadline, cancellation and stage times; reading and writing count.
        notify: as for `background_removal`.

    Raises:
        PawfectError: INVALID_ARG for a file that cannot be read, output=background without
            BACKGROUND, or a format that cannot hold the result; else as `remove_background` does.
    """
    params = request.params
    with control.stage("decode"):
        opened = await control.wait("decode", asyncio.to_thread(_opened, request, removal))
    alpha, wishes = opened.cutting.output == "rgba", (params.quality, params.deadline_ms)
    reserve_ms = writing_ms(opened.photo, opened.kind, *wishes, alpha=alpha)
    early = control.reserving(reserve_ms)
    asked = CutoutRequest(opened.cutting.image, opened.params, opened.cutting.background)
    result = await remove_background(asked, removal, call, early, notify)
    with control.stage("encode"):
        made, file = await control.wait("encode", asyncio.to_thread(_written, opened, result))
    report = replace(
        result.report,
        lost=cutout_losses(opened.photo, made, opened.kind, opened.cutting.output),
        stage_ms=control.stage_ms,
        total_ms=control.total_ms(),
    )
    return CutoutFileResult(file, report)


def _opened(request: CutoutFileRequest, removal: Removal) -> _Opened:
    """Read the files, and check that the result can be written before any work is spent on it."""
    params = _with_output(request, removal)
    output = str(params.output)
    photo = decode_photo(file_of(request.photo, "PHOTO", params.encoding), "PHOTO")
    named = FORMAT_NAMES[params.format] if params.format else None
    kind = format_of(photo.format, output, named)
    check_cutout(photo, output, kind, params.quality, "format")
    background = None
    if request.background is not None:
        data = file_of(request.background, "BACKGROUND", params.encoding)
        background = decode_photo(data, "BACKGROUND")
    return _Opened(photo, cutting(photo, background, output), kind, params)


def _with_output(request: CutoutFileRequest, removal: Removal) -> CutoutFileParams:
    """Return the parameters with what the format depends on: the server may have a default."""
    default = None if removal.defaults is None else removal.defaults.params.output
    background = request.background is not None
    output = request.params.laid_on(background=background, default=default)
    return replace(request.params, output=output)


def _written(opened: _Opened, result: CutoutResult) -> tuple[Photo, bytes]:
    made, params = opened.cutting.cut(result.alpha, result.cutout), opened.params
    return made, written(made, opened.kind, params.quality, params.encoding)


def _request(inputs: Mapping[str, Array], params: CutoutFileParams) -> CutoutFileRequest:
    photo = given_bytes(inputs, "PHOTO")
    if photo is None:
        raise invalid("PHOTO", "a picture's file", "nothing")
    return CutoutFileRequest(photo, given_bytes(inputs, "BACKGROUND"), params)


def probe(settings: object) -> dict[str, Array]:
    """Return the file of a tiny request; there are no settings."""
    del settings
    return {"PHOTO": probe_file(probe_photo())}


BACKGROUND_REMOVAL_FILE: Final = Orchestration(
    deploy=read_removal,
    decode=_request,
    run=cutout_file,
    encode=lambda result: file_answer(result.file, result.report.to_json()),
    fallbacks=lambda result: result.report.fallbacks,
    # The photo once more: alpha and what is cut out take as much as a photo and its mask.
    pixels=pixels_of(("PHOTO", "PHOTO", "BACKGROUND")),
    measures=lambda result: measures_of(result.report),
    engine=lambda result: result.report.network,
)
