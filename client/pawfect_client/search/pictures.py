"""A task's pictures: read from files, or fetched and kept by their URL's digest."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import PawfectError, invalid
from pawfect.contract.parameters import MaskFileParams
from pawfect.photo.image_file import read_file, read_header
from pawfect.photo.mask_file import decode_mask_file, decode_protect
from pawfect.photo.photo import Photo, decode_photo
from pawfect.photo.saving import write_atomically
from pawfect_client.search.fetching import Bounds, fetch
from pawfect_client.search.tasks import Source, Task

CACHE: Final = Path("data/cache")
# Of a run that was killed while it wrote; another that writes now is done by then.
_STALE_S: Final = 3600.0


@dataclass(frozen=True)
class PictureFiles:
    """Where pictures come from.

    Attributes:
        cache: folder of those that were fetched, each by its URL's digest; made when it is needed.
        bounds: how they are fetched.
    """

    cache: Path = CACHE
    bounds: Bounds = field(default_factory=Bounds)

    def read(self, source: Source) -> bytes:
        """Return a picture's file.

        Raises:
            PawfectError: INVALID_ARG for a file that cannot be read, a picture that cannot be kept,
                and what was fetched and is no picture; else as `fetch` does.
        """
        if isinstance(source, str):
            return self._fetched(source)
        # A pipe, for one, would be waited for without end.
        if os.path.exists(source) and not os.path.isfile(source):
            raise invalid(source.name, "a regular file", "none")
        return read_file(source, source.name)

    def _fetched(self, url: str) -> bytes:
        kept = self.cache / hashlib.sha256(url.encode()).hexdigest()
        name = name_of(url)
        if os.path.isfile(kept) and os.path.getsize(kept) <= self.bounds.most_bytes:
            data = read_file(kept, name)
            if _is_picture(data, name):
                return data
        data = fetch(url, self.bounds)
        # A page that asks to sign in, for one, is not kept as the picture.
        read_header(data, name)
        try:
            self.cache.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            got = error.strerror or type(error).__name__
            raise invalid(self.cache.name, "a folder for fetched pictures", got) from None
        remove_parts(self.cache, kept.name, _STALE_S)
        write_atomically(kept, data)
        return data


@dataclass(frozen=True, eq=False)
class TaskPictures:
    """A task's pictures, decoded.

    Attributes:
        photo: upright.
        mask: UINT8 [H, W], >= 128 = fill, or None.
        reference: the picture of the character, or None.
        protect: UINT8 [H, W], >= 128 = never filled, or None.
        mask_note: how the mask's file was read, where that had to be found out.
        digests: SHA-256 of each file, by what it is.
    """

    photo: Photo
    mask: NDArray[np.uint8] | None
    reference: Photo | None
    protect: NDArray[np.uint8] | None
    mask_note: str | None
    digests: Mapping[str, str]


def read_pictures(
    task: Task, files: PictureFiles, reading: MaskFileParams, protect: Path | None
) -> TaskPictures:
    """Return a task's pictures.

    Args:
        task: says where they are.
        files: where they come from.
        reading: how the mask's file is read.
        protect: file of what must never be filled, or None.

    Raises:
        PawfectError: as `PictureFiles.read` does; INVALID_ARG for what is no picture, or of
            another size than the photo.
    """
    sources: dict[str, Source | None] = {
        "photo": task.photo,
        "mask": task.mask,
        "reference": task.reference,
        "protect": protect,
    }
    read = {what: files.read(source) for what, source in sources.items() if source is not None}
    photo = decode_photo(read["photo"], name_of(task.photo))
    mask = reference = guard = None
    if task.mask is not None:
        mask = decode_mask_file(read["mask"], photo, name_of(task.mask), reading)
    if task.reference is not None:
        reference = decode_photo(read["reference"], name_of(task.reference))
    if protect is not None:
        guard = decode_protect(read["protect"], photo, protect.name, fit_mask=reading.fit_mask)
    digests = {what: hashlib.sha256(data).hexdigest() for what, data in read.items()}
    hole, note = (None, None) if mask is None else (mask.mask, mask.note)
    return TaskPictures(photo, hole, reference, guard, note, digests)


def name_of(source: Source) -> str:
    """Return what messages call a picture: its file's name, without what may be a key to it."""
    if isinstance(source, Path):
        return source.name
    path = source.partition("?")[0].partition("#")[0].rstrip("/")
    return path.rpartition("/")[2] or "picture"


def remove_parts(folder: Path, pattern: str, older_s: float = 0.0) -> None:
    """Remove what a run that was killed left half-written.

    Args:
        folder: where it lies.
        pattern: of the files' names, as `Path.glob` takes it.
        older_s: how long nothing was written to it, s.
    """
    for part in folder.glob(f".{pattern}.*.part"):
        try:
            if time.time() - part.stat().st_mtime >= older_s:
                part.unlink()
        except OSError:
            # Another run was faster.
            continue


def _is_picture(data: bytes, name: str) -> bool:
    try:
        read_header(data, name)
    except PawfectError:
        return False
    return True
