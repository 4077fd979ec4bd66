"""From files to a file: what the command line does with one picture, alone or of a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.parameters import MaskFileParams
from pawfect.contract.report import Report
from pawfect.photo.mask_file import load_mask_file, load_protect
from pawfect.photo.photo import Photo, load_photo
from pawfect.photo.saving import (
    check_format,
    check_quality,
    check_writable,
    losses,
    output_format,
    save_photo,
)
from pawfect_client.photos import inpaint_photo
from pawfect_client.results import Inpainted

# Finds the hole in a photo, UINT8 [H, W], >= 128 = fill.
HoleOf = Callable[[Photo], NDArray[np.uint8]]


@dataclass(frozen=True)
class FileRequest:
    """What is asked for, the same for each picture of a folder.

    Attributes:
        kind: the result's format, of `pawfect.photo.formats.WRITTEN`; None: by its name's ending.
        quality: as in `pawfect.photo.saving.encode_photo`.
        mask: how masks are read.
        request: labels, prompt and parameters.
    """

    kind: str | None
    quality: int | None
    mask: MaskFileParams
    request: Mapping[str, Any]


@dataclass(frozen=True)
class FilledFile:
    """How a file's result came about.

    Attributes:
        report: of the request.
        mask_note: how the mask's file was read, where that had to be found out.
        lost: what of the photo the result's format cannot hold.
    """

    report: Report
    mask_note: str | None
    lost: tuple[str, ...]


def fill_file(
    fill: Callable[..., Inpainted],
    photo: Path,
    mask: Path | HoleOf,
    out: Path,
    asked: FileRequest,
    protect: Path | None = None,
) -> FilledFile:
    """Fill what a mask's file covers of a photo's, and write the result whole or not at all.

    Args:
        fill: as `inpaint_photo` takes it.
        photo: the photo's file.
        mask: the mask's file, or what finds the hole in the photo.
        out: where the result goes.
        asked: format, reading of the mask, and the request.
        protect: file of what must never be filled, or None.

    Raises:
        PawfectError: INVALID_ARG for files that cannot be read or written, or do not fit each
            other; else as `fill` does.
    """
    kind = asked.kind or output_format(out)
    check_writable(out)
    loaded = load_photo(photo)
    check_format(loaded, kind, out.name)
    check_quality(asked.quality, kind)
    if isinstance(mask, Path):
        read = load_mask_file(mask, loaded, asked.mask)
        hole, note = read.mask, read.note
    else:
        hole, note = mask(loaded), None
    guard = load_protect(protect, loaded, fit_mask=asked.mask.fit_mask) if protect else None
    filled, report = inpaint_photo(fill, loaded, hole, guard, asked.request)
    save_photo(filled, out, kind, asked.quality)
    return FilledFile(report, note, losses(loaded, kind))
