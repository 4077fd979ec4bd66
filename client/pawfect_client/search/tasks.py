"""What is to be searched: one photo, or the tasks of Label Studio's export."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pawfect.contract.errors import PawfectError, invalid
from pawfect.photo.image_file import read_file

ID: Final = "id"
CHARACTER: Final = "character_name"
INIT: Final = "init_image_url"
MASK: Final = "mask_image_url"
REFERENCE: Final = "character_image_url"
PROPOSER: Final = "proposer"
HAIR: Final = "hair"
# The keys of a task; those of the character, and of what the command says for all tasks, may be
# missing, or null.
KEYS: Final = (ID, CHARACTER, INIT, MASK, REFERENCE, PROPOSER, HAIR)
_WEB: Final = re.compile(r"https?://", re.IGNORECASE)
# A drive of Windows, one letter, is none.
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
# A zero byte and half a letter: no file is called so, and neither can be sent.
_UNSAYABLE: Final = re.compile("[\0\ud800-\udfff]")
# Longest id: with what stands round it, it is the name of a folder, 255 bytes in most file systems.
_MOST_ID_BYTES: Final = 200
_MOST_NAME: Final = 1000
_IDS_SHOWN: Final = 10

# A file, or the URL of one.
Source = Path | str


@dataclass(frozen=True)
class Task:
    """One search.

    Attributes:
        id: its name, a number where the task file has one.
        photo: where the photo is.
        mask: where its mask is; None, for a swap alone: the face is found.
        reference: where the picture of the character is, or None.
        character: the character's name, or None.
        parameters: of `SearchParams`, which it has for itself.
    """

    id: int | str
    photo: Source
    mask: Source | None
    reference: Source | None = None
    character: str | None = None
    parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def folder(self) -> str:
        """Name of the folder of its results."""
        return f"task_{self.id}"


@dataclass(frozen=True)
class BrokenTask:
    """An entry of a task file that is no task.

    Attributes:
        id: its id, or its place where it has none.
        error: what is wrong with it.
    """

    id: int | str
    error: PawfectError


def read_keys(given: str) -> dict[str, str]:
    """Return what the keys of a task are called in a file, from `name=other,...`.

    Raises:
        PawfectError: INVALID_ARG for another form, an unknown name and one given twice.
    """
    keys: dict[str, str] = {}
    for part in given.split(",") if given else ():
        name, equals, other = (text.strip() for text in part.partition("="))
        if not equals or not other or name not in KEYS or name in keys:
            expected = f"name=other,... with each name once, of {', '.join(KEYS)}"
            raise invalid("--keys", expected, repr(part))
        keys[name] = other
    return keys


def read_tasks(
    path: Path, keys: Mapping[str, str], ids: Sequence[str] = (), *, outside: bool = False
) -> list[Task | BrokenTask]:
    """Return the tasks of a file, in its order; of those asked for, in theirs.

    Args:
        path: JSON, a list of objects; what stands under `data` counts where the object itself has
            no such key.
        keys: what keys are called there, by their names here.
        ids: the tasks asked for; none: all.
        outside: whether pictures may lie outside of the file's folder: whoever made the file would
            choose what of this machine is sent.

    Raises:
        PawfectError: INVALID_ARG for a file that cannot be read, another form, an id that stands
            there twice, and one that is asked for and does not.
    """
    try:
        entries = json.loads(read_file(path, path.name))
    except (ValueError, RecursionError) as error:
        raise invalid(path.name, "JSON in UTF-8", error) from None
    if not isinstance(entries, list) or not entries:
        got = "an empty one" if isinstance(entries, list) else type(entries).__name__
        raise invalid(path.name, "a list of tasks, as Label Studio exports it", got)
    folder = None if outside else path.parent
    tasks = [_read(place, entry, path, keys) for place, entry in enumerate(entries)]
    tasks = [_inside(task, folder) for task in tasks]
    counted = Counter(str(task.id) for task in tasks)
    twice = [id_ for id_, times in counted.items() if times > 1]
    if twice:
        raise invalid(path.name, "each id once", f"{twice[0]!r} {counted[twice[0]]} times")
    if not ids:
        return tasks
    known = {str(task.id): task for task in tasks}
    for id_ in ids:
        if id_ not in known:
            some = ", ".join(list(known)[:_IDS_SHOWN])
            more = ", ..." if len(known) > _IDS_SHOWN else ""
            raise invalid("--task-id", f"ids of {path.name}, {some}{more}", repr(id_))
    return [known[id_] for id_ in dict.fromkeys(ids)]


def task_of_photo(
    photo: Path, mask: Path | None, reference: Path | None, character: str | None
) -> Task:
    """Return the task of one photo, whose id is its name without the ending."""
    return Task(photo.stem, photo, mask, reference, character)


def _read(place: int, entry: Any, path: Path, keys: Mapping[str, str]) -> Task | BrokenTask:
    where = f"entry {place}"
    try:
        if not isinstance(entry, Mapping):
            raise invalid(where, "an object", type(entry).__name__)
        id_ = _id(where, _value(entry, keys.get(ID, ID)), keys.get(ID, ID))
    except PawfectError as error:
        return BrokenTask(where, error)
    try:
        named = {name: _text(entry, keys.get(name, name)) for name in KEYS[1:]}
        for name in (INIT, MASK):
            if named[name] is None:
                raise invalid(keys.get(name, name), "a URL or a file", "nothing")
        sources = {name: _source(named[name], path) for name in (INIT, MASK, REFERENCE)}
    except PawfectError as error:
        return BrokenTask(id_, error)
    photo, mask = sources[INIT], sources[MASK]
    assert photo is not None
    assert mask is not None
    own = {name: text for name in (PROPOSER, HAIR) if (text := named[name]) is not None}
    return Task(id_, photo, mask, sources[REFERENCE], named[CHARACTER], own)


def _inside(task: Task | BrokenTask, folder: Path | None) -> Task | BrokenTask:
    """Return a task; broken where one of its files, links followed, is not in the folder."""
    if folder is None or isinstance(task, BrokenTask):
        return task
    root = os.path.realpath(folder)
    for source in (task.photo, task.mask, task.reference):
        if isinstance(source, Path) and not Path(os.path.realpath(source)).is_relative_to(root):
            expected = "a file in the task file's folder (--allow-outside allows others)"
            return BrokenTask(task.id, invalid(source.name, expected, "one outside of it"))
    return task


def _value(entry: Mapping[str, Any], key: str) -> Any:
    if key in entry:
        return entry[key]
    data = entry.get("data")
    return data.get(key) if isinstance(data, Mapping) else None


def _id(where: str, value: Any, key: str) -> int | str:
    if type(value) is int:
        return value
    fits = isinstance(value, str) and value == value.strip() and value.isprintable() and value
    if not fits or "/" in value or "\\" in value or len(value.encode()) > _MOST_ID_BYTES:
        expected = f"an integer, or a text of at most {_MOST_ID_BYTES} bytes without / and \\"
        raise invalid(f"{where}: {key}", expected, "nothing" if value is None else repr(value))
    return str(value)


def _text(entry: Mapping[str, Any], key: str) -> str | None:
    value = _value(entry, key)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip() or _UNSAYABLE.search(value):
        raise invalid(key, "a text", repr(value)[:_MOST_NAME])
    return value.strip()


def _source(text: str | None, path: Path) -> Source | None:
    """Return where a picture is; a file's name counts from the task file's folder."""
    if text is None or _WEB.match(text):
        return text
    scheme = _SCHEME.match(text)
    if scheme:
        raise invalid("URL", "http:// or https://, or the name of a file", scheme.group())
    return path.parent / text
