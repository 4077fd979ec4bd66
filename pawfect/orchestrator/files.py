"""`inpaint_file`: files in and a file out, filled by the flow of `inpaint`.

The flow runs here, not behind a call of the model `inpaint`: such a call carries no float, and a
child is not told when its caller cancels.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pawfect.contract.errors import PawfectError, invalid
from pawfect.contract.parameters import InpaintFileParams, InpaintParams, Scalar
from pawfect.contract.probe import probe_mask, probe_photo
from pawfect.contract.report import Report
from pawfect.contract.tensors import Array
from pawfect.contract.texts import read_texts, text_tensor
from pawfect.orchestrator.calls import CallModel
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import Deployment
from pawfect.orchestrator.flow import inpaint
from pawfect.orchestrator.request import InpaintRequest, Notify, silent
from pawfect.orchestrator.serving import Orchestration, deployed
from pawfect.photo.alpha import Ask
from pawfect.photo.filling import FilledPhoto, filling, next_step
from pawfect.photo.formats import FORMAT_NAMES, WRITTEN_AS
from pawfect.photo.image_file import MAX_FILE_BYTES, declared_pixels
from pawfect.photo.mask_file import decode_mask_file, decode_protect
from pawfect.photo.photo import Photo, decode_photo
from pawfect.photo.saving import check_format, check_quality, encode_photo, losses

_BASE64: Final = "base64"
# Four characters for three bytes.
_MAX_BYTES: Final[Mapping[str, int]] = {"raw": MAX_FILE_BYTES, _BASE64: MAX_FILE_BYTES * 4 // 3 + 4}
_FILES: Final = ("PHOTO", "MASK", "PROTECT")
# What writing takes on one core, ms per megapixel, measured with the reference scene at 3 MP; kept
# of the deadline, but no more than half of it.
_WRITING_MS: Final[Mapping[str, float]] = {
    "JPEG": 30,
    "PNG": 700,
    "WEBP": 250,
    "TIFF": 360,
    "AVIF": 3400,
    "BMP": 10,
}
_WRITING_LOSSLESS_WEBP_MS: Final = 1800


@dataclass(frozen=True)
class FileRequest:
    """One request, its files as they came.

    Attributes:
        photo: a picture's file, or its base64.
        mask: the same of what is to be filled.
        protect: the same of what is never filled, or None.
        scene_labels: surfaces around the hole, where the caller knows them.
        prompt: text for FLUX, where the caller has one.
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
    early = control.reserving(_writing_ms(opened, params))
    filled = await _filled(opened, request, deployment, call, early, notify)
    with control.stage("encode"):
        written = asyncio.to_thread(_written, filled.photo, opened.kind, params)
        file = await control.wait("encode", written)
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
    photo = decode_photo(_file(request.photo, "PHOTO", params.encoding), "PHOTO")
    named = FORMAT_NAMES[params.format] if params.format else None
    kind = named or WRITTEN_AS.get(photo.format, photo.format)
    check_format(photo, kind, "format")
    check_quality(params.quality, kind)
    mask = decode_mask_file(_file(request.mask, "MASK", params.encoding), photo, "MASK", params)
    protect = None
    if request.protect is not None:
        data = _file(request.protect, "PROTECT", params.encoding)
        protect = decode_protect(data, photo, "PROTECT", fit_mask=params.fit_mask)
    return _Opened(photo, mask.mask, protect, mask.note, kind)


def _written(photo: Photo, kind: str, params: InpaintFileParams) -> bytes:
    data = encode_photo(photo, kind, params.quality)
    return base64.b64encode(data) if params.encoding == _BASE64 else data


def _writing_ms(opened: _Opened, params: InpaintFileParams) -> float:
    """Return what of the deadline is kept for writing the result."""
    each = _WRITING_MS[opened.kind]
    if opened.kind == "WEBP" and opened.photo.lossless and params.quality is None:
        each = _WRITING_LOSSLESS_WEBP_MS
    return min(each * opened.mask.size / 1e6, params.deadline_ms / 2)


def _file(given: bytes, name: str, encoding: str) -> bytes:
    """Return a file's content; INVALID_ARG for one over 1 GiB, or for what is no base64."""
    if len(given) > _MAX_BYTES[encoding]:
        raise invalid(name, f"a file of at most {MAX_FILE_BYTES // 2**20} MiB", "a larger one")
    if encoding != _BASE64:
        return given
    try:
        # Tools break the lines.
        return base64.b64decode(b"".join(given.split()), validate=True)
    except binascii.Error as error:
        raise invalid(name, "base64, as encoding says", f"something else ({error})") from None


def _request(inputs: Mapping[str, Array], params: InpaintFileParams) -> FileRequest:
    files = {name: _bytes(inputs[name]) for name in _FILES if name in inputs}
    prompts = read_texts("PROMPT", inputs.get("PROMPT"))
    return FileRequest(
        photo=files["PHOTO"],
        mask=files["MASK"],
        protect=files.get("PROTECT"),
        scene_labels=read_texts("SCENE_LABELS", inputs.get("SCENE_LABELS")),
        prompt=prompts[0] if prompts else None,
        params=params,
    )


def _bytes(tensor: Array) -> bytes:
    given = tensor.reshape(-1)[0]
    return given if isinstance(given, bytes) else str(given).encode()


def _pixels(inputs: Mapping[str, Array], parameters: Mapping[str, Scalar]) -> int:
    """Return the pixels that the headers declare, masks included: all are decoded."""
    encoding = _BASE64 if parameters.get("encoding") == _BASE64 else "raw"
    total = 0
    for name in _FILES:
        if name in inputs and inputs[name].size:
            try:
                total += declared_pixels(_file(_bytes(inputs[name]), name, encoding))
            except PawfectError:
                # Refused when it is read.
                continue
    return total


def _answer(result: FileResult) -> dict[str, Array]:
    return {
        "FILE": np.array([result.file], np.object_),
        "REPORT": text_tensor(result.report.to_json()),
    }


def _png(picture: NDArray[np.uint8]) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(picture).save(sink, "PNG")
    return sink.getvalue()


def probe(settings: object) -> dict[str, Array]:
    """Return the files of a tiny request; there are no settings."""
    del settings
    pictures = {"PHOTO": probe_photo(), "MASK": probe_mask()}
    return {name: np.array([_png(p)], np.object_) for name, p in pictures.items()}


INPAINT_FILE: Final = Orchestration(
    deploy=deployed,
    decode=_request,
    run=inpaint_file,
    encode=_answer,
    fallbacks=lambda result: result.report.fallbacks,
    pixels=_pixels,
)
