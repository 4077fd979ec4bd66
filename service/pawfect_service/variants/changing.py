"""Changes of a variants' file, each of which one command takes back.

FILE.history holds the texts that the file had, the last one at the end, as JSON. It is written
first: what is interrupted in between has changed nothing, or all.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import tomlkit

from pawfect.contract.errors import invalid
from pawfect.photo.saving import write_atomically
from pawfect_service.variants.file import Variants, load_text, parse_variants

# Texts that are kept, the oldest go: a year of a change a day.
_KEPT: Final = 365
# What a change does to some variants: their fields by their names.
Changes = Mapping[str, Mapping[str, Any]]


def set_variants(path: Path, changes: Changes) -> Variants:
    """Change fields of variants and leave the rest of the file, its comments too, as it is.

    Args:
        path: of the file.
        changes: `share` and `staging` by the variant's name.

    Returns:
        What the file says then.

    Raises:
        PawfectError: INVALID_ARG for a name that is not there, for what the file may not say, and
            where it cannot be written; the file is then as it was.
    """
    with _alone(path):
        before, history = load_text(path), _history(path)
        text = _changed(before, changes)
        variants = parse_variants(text)
        if text != before:
            history.append({"at": time.time(), "text": before})
            _keep(path, history[-_KEPT:])
            write_atomically(path, text.encode())
        return variants


def _changed(text: str, changes: Changes) -> str:
    known = [variant.name for variant in parse_variants(text).variants]
    for name in changes:
        if name not in known:
            raise invalid("variant", f"one of {', '.join(known) or 'none'}", name)
    document: dict[str, Any] = tomlkit.parse(text)
    for table in document["variants"] if changes else ():
        table.update(changes.get(table["name"], {}))
    return tomlkit.dumps(document)


def take_back(path: Path) -> Variants:
    """Give the file the text that it had before its last change, and return what it says.

    Raises:
        PawfectError: INVALID_ARG where there was no change.
    """
    with _alone(path):
        history, now = _history(path), load_text(path)
        # A change that was interrupted is no step back.
        while history and history[-1]["text"] == now:
            history.pop()
        if not history:
            raise invalid(_history_path(path).name, "a change to take back", "none")
        before = history[-1]["text"]
        variants = parse_variants(before)
        write_atomically(path, before.encode())
        _keep(path, history[:-1])
        return variants


def _history_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.history")


def _history(path: Path) -> list[dict[str, Any]]:
    """Return the entries of the history; none where there is none yet."""
    place = _history_path(path)
    try:
        history = json.loads(place.read_text("utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise invalid(place.name, "a readable history", type(error).__name__) from None
    if not isinstance(history, list) or not all(_is_entry(entry) for entry in history):
        raise invalid(place.name, "a list of texts and their times", "another form")
    return history


def _keep(path: Path, history: list[dict[str, Any]]) -> None:
    text = json.dumps(history, ensure_ascii=False, indent=1)
    write_atomically(_history_path(path), text.encode())


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("text"), str)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other commands from the file's folder for the length of the block."""
    try:
        folder = os.open(path.absolute().parent, os.O_RDONLY)
    except OSError as error:
        raise invalid(path.name, "a file in a folder", type(error).__name__) from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
