"""What is to be done to a folder: its pictures, perhaps masks, and where each result goes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pawfect.contract.errors import PawfectError, invalid
from pawfect.photo.formats import FORMATS, WRITTEN_AS
from pawfect_client.mask_names import MaskNames, apart

_KIND_OF: Final = {suffix: kind for kind, row in FORMATS.items() for suffix in row.suffixes}


@dataclass(frozen=True)
class Picture:
    """One picture of a folder.

    Attributes:
        photo: its file.
        out: where its result goes, or why it has no place.
        mask: its mask's file, or why there is none; None where masks play no part.
    """

    photo: Path
    out: Path | PawfectError
    mask: Path | PawfectError | None = None


@dataclass(frozen=True)
class FolderPlan:
    """What is to be done to a folder.

    Attributes:
        pictures: by name.
        others: files of the folder that are no pictures by their names.
        unused: masks that are no picture's only one.
    """

    pictures: tuple[Picture, ...]
    others: int
    unused: int


def plan_folder(folder: Path, masks: Path | None, out: Path, kind: str | None = None) -> FolderPlan:
    """Return what is to be done to the pictures that lie in a folder, not those further down.

    Args:
        folder: the pictures; those with the ending of a picture's name that are not hidden.
        masks: their masks; may be the same folder; None where masks play no part.
        out: folder of the results; need not exist.
        kind: format of the results; None: the picture's own, or what stands for it.

    Raises:
        PawfectError: INVALID_ARG for a folder that cannot be read or has no pictures, and for
            results that would lie among the pictures or the masks.
    """
    files, others = _pictures_in(folder, "pictures")
    mask_files: list[Path] = []
    if masks is not None and _same(folder, masks):
        files, mask_files = apart(files)
    elif masks is not None:
        mask_files, _ = _pictures_in(masks, "masks")
    for what, source in (("pictures", folder), ("masks", masks)):
        if source is not None and _same(out, source):
            raise invalid(_name(out), "a folder of its own for the results", f"that of the {what}")
    if not files:
        raise invalid(_name(folder), "a folder with pictures", "none")
    names = MaskNames(mask_files)
    taken = [None if masks is None else _mask(names, file) for file in files]
    results = _results(files, out, kind)
    pictures = tuple(map(Picture, files, results, taken))
    return FolderPlan(pictures, others, len(set(mask_files) - set(taken)))


def _pictures_in(folder: Path, what: str) -> tuple[list[Path], int]:
    """Return a folder's pictures, and how many other files it has."""
    try:
        with os.scandir(folder) as entries:
            shown = [entry for entry in entries if not entry.name.startswith(".")]
            names = [entry.name for entry in shown if not os.path.isdir(entry.path)]
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise invalid(_name(folder), f"a readable folder of {what}", got) from None
    pictures = [folder / name for name in sorted(names) if Path(name).suffix.lower() in _KIND_OF]
    return pictures, len(names) - len(pictures)


def _mask(names: MaskNames, picture: Path) -> Path | PawfectError:
    try:
        return names.of(picture)
    except PawfectError as error:
        return error


def _results(files: Sequence[Path], out: Path, kind: str | None) -> list[Path | PawfectError]:
    """Return where each result goes: two of one name are told apart by the picture's whole name."""
    wanted = [_result_name(file, kind) for file in files]
    taken = {name for file, name in zip(files, wanted, strict=True) if name == file.name}
    results: list[Path | PawfectError] = []
    for file, name in zip(files, wanted, strict=True):
        unique = name
        if name != file.name and name in taken:
            unique = file.name + Path(name).suffix
            if unique in taken:
                results.append(invalid(file.name, "a result's name that is free", unique))
                continue
        taken.add(unique)
        results.append(out / unique)
    return results


def _result_name(file: Path, kind: str | None) -> str:
    own = _KIND_OF[file.suffix.lower()]
    written = kind or WRITTEN_AS.get(own, own)
    return file.name if written == own else file.stem + FORMATS[written].suffixes[0]


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _name(folder: Path) -> str:
    """Return a folder's name for messages, of `.` too."""
    return Path(os.path.realpath(folder)).name
