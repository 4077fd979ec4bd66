"""From a photo's file to its cut-out's: what `pawfect cutout` does, alone or of a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pawfect.contract.cutout import CutoutParams, CutoutReport
from pawfect.photo.cutting import check_cutout, cutout_losses
from pawfect.photo.image_file import read_file
from pawfect.photo.photo import Photo, decode_photo, load_photo
from pawfect.photo.saving import check_writable, output_format, save_photo
from pawfect_client.photos import cutout_photo
from pawfect_client.results import CutOut


@dataclass(frozen=True, eq=False)
class Background:
    """What subjects are laid on.

    Attributes:
        photo: the picture.
        sha256: of its file.
    """

    photo: Photo
    sha256: str


def load_background(path: Path) -> Background:
    """Read a background's file; INVALID_ARG as `pawfect.photo.photo.decode_photo`."""
    data = read_file(path, path.name)
    return Background(decode_photo(data, path.name), hashlib.sha256(data).hexdigest())


@dataclass(frozen=True, eq=False)
class CutFileRequest:
    """What is asked for, the same for each picture of a folder.

    Attributes:
        kind: the result's format, of `pawfect.photo.formats.WRITTEN`; None: by its name's ending.
        quality: as in `pawfect.photo.saving.encode_photo`.
        background: what the subject is laid on, or None.
        request: parameters.
    """

    kind: str | None
    quality: int | None
    background: Background | None
    request: Mapping[str, Any]

    @property
    def output(self) -> str:
        """What the subject is laid on, as `CutoutParams.laid_on` says."""
        return CutoutParams.parse(self.request).laid_on(background=self.background is not None)

    def told(self) -> dict[str, Any]:
        """Return all that is asked, as JSON can hold it."""
        background = None if self.background is None else self.background.sha256
        return {
            "kind": self.kind,
            "quality": self.quality,
            "background": background,
            "request": dict(self.request),
        }


@dataclass(frozen=True)
class CutFile:
    """How a cut-out's file came about.

    Attributes:
        report: of the request.
        lost: what of the photo the result lacks.
    """

    report: CutoutReport
    lost: tuple[str, ...]


def cut_file(
    remove: Callable[..., CutOut], photo: Path, out: Path, asked: CutFileRequest
) -> CutFile:
    """Cut the subject out of a photo's file, and write the result whole or not at all.

    Args:
        remove: as `cutout_photo` takes it.
        photo: the photo's file.
        out: where the result goes.
        asked: format, background and the request.

    Raises:
        PawfectError: INVALID_ARG for files that cannot be read or written, or a format that cannot
            hold the result; else as `remove` does.
    """
    kind, output = asked.kind or output_format(out), asked.output
    check_writable(out)
    loaded = load_photo(photo)
    check_cutout(loaded, output, kind, asked.quality, out.name)
    background = None if asked.background is None else asked.background.photo
    made, report = cutout_photo(remove, loaded, background, asked.request)
    save_photo(made, out, kind, asked.quality)
    return CutFile(report, cutout_losses(loaded, made, kind, output))
