"""From a photo's file to a repaired one: what `pawfect refine` does with its files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.refine import MAX_PAYLOAD_BYTES
from pawfect.contract.refine_report import RefineReport
from pawfect.photo.image_file import read_file
from pawfect.photo.mask_file import load_mask, load_protect
from pawfect.photo.photo import Photo, load_photo
from pawfect.photo.saving import (
    check_format,
    check_quality,
    check_writable,
    losses,
    output_format,
    save_photo,
)
from pawfect_client.results import Refined


@dataclass(frozen=True)
class RefineFileRequest:
    """What is asked for.

    Attributes:
        type: subject, text, region or general.
        payload: file of the payload, JSON.
        masks: files of masks, in the order in which the payload counts them.
        references: files of reference pictures.
        protect: file of what must never change, or None.
        kind: the result's format, of `pawfect.photo.formats.WRITTEN`; None: by its name's ending.
        quality: as in `pawfect.photo.saving.encode_photo`.
        parameters: the request's scalars.
    """

    type: str
    payload: Path
    masks: tuple[Path, ...]
    references: tuple[Path, ...]
    protect: Path | None
    kind: str | None
    quality: int | None
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class RefinedFile:
    """How a file's result came about.

    Attributes:
        report: of the request.
        lost: what of the photo the result's format cannot hold.
    """

    report: RefineReport
    lost: tuple[str, ...]


def refine_file(
    refine: Callable[..., Refined], photo: Path, out: Path, asked: RefineFileRequest
) -> RefinedFile:
    """Repair a photo's file, and write the result whole or not at all.

    Transparency stays as it is; of a photo of 16 bits per channel what does not change does.

    Args:
        refine: as `PawfectClient.refine`.
        photo: the photo's file.
        out: where the result goes.
        asked: everything else.

    Raises:
        PawfectError: INVALID_ARG for files that cannot be read or written, or do not fit each
            other; else as `refine` does.
    """
    kind = asked.kind or output_format(out)
    check_writable(out)
    payload = _payload(asked.payload)
    loaded = load_photo(photo)
    check_format(loaded, kind, out.name)
    check_quality(asked.quality, kind)
    given: dict[str, Any] = dict(asked.parameters)
    if asked.masks:
        given["masks"] = _masks(asked.masks, loaded)
    if asked.references:
        given["reference"] = [load_photo(one).pixels for one in asked.references]
    if asked.protect is not None:
        given["protect"] = load_protect(asked.protect, loaded)
    answer = refine(loaded.pixels, asked.type, payload, **given)
    changed = loaded.with_pixels(answer.image).changed_by(answer.report.drawn_by)
    save_photo(changed, out, kind, asked.quality)
    return RefinedFile(answer.report, losses(loaded, kind))


def _payload(path: Path) -> str:
    data = read_file(path, path.name)[: MAX_PAYLOAD_BYTES + 1]
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        got = f"byte {data[error.start]:#04x} at {error.start}"
        message = f"{path.name}: expected JSON in UTF-8, got {got}"
        raise PawfectError(ErrorKind.INVALID_ARG, message) from None


def _masks(paths: Sequence[Path], photo: Photo) -> NDArray[np.uint8]:
    return np.stack([load_mask(path, photo) for path in paths])
