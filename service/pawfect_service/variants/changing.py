"""Changes of a variants' file, each of which one command takes back.

FILE.history holds the texts that the file had and until when, the last one at the end, as JSON. It
is written first: what is interrupted in between has changed nothing, or all. A text that was taken
back is marked as such, and no step back leads to it.
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

from pawfect.contract.errors import PawfectError, invalid
from pawfect.photo.saving import write_atomically
from pawfect_service.variants.file import Variant, Variants, load_text, parse_variants

# Texts that are kept, the oldest go: a year of a change a day.
_KEPT: Final = 365
_TAKEN_BACK: Final = "takenBack"
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
        steps = [entry for entry in history if not entry.get(_TAKEN_BACK)]
        # A change that was interrupted is no step back.
        while steps and steps[-1]["text"] == now:
            history.remove(steps.pop())
        if not steps:
            raise invalid(_history_path(path).name, "a change to take back", "none")
        before = steps[-1]["text"]
        variants = parse_variants(before)
        write_atomically(path, before.encode())
        history.remove(steps[-1])
        history.append({"at": time.time(), "text": now, _TAKEN_BACK: True})
        _keep(path, history[-_KEPT:])
        return variants


def stages_began(path: Path) -> dict[str, float]:
    """Return since when each variant of a file has its share, staging and choices, by its name.

    Epoch seconds; a variant that no command has changed is left out.

    Raises:
        PawfectError: INVALID_ARG for a file or a history that cannot be read.
    """
    with _alone(path):
        now, history = parse_variants(load_text(path)), _history(path)
    earlier = [(float(entry.get("at", 0.0)), _variants_in(entry["text"])) for entry in history]
    found = {each.name: _last_without(each, earlier) for each in now.variants}
    return {name: at for name, at in found.items() if at is not None}


def _last_without(
    variant: Variant, earlier: list[tuple[float, tuple[Variant, ...]]]
) -> float | None:
    return next((at for at, variants in reversed(earlier) if variant not in variants), None)


def _variants_in(text: str) -> tuple[Variant, ...]:
    """Return the variants of a text that the file had; none where it says nothing to us now."""
    try:
        return parse_variants(text).variants
    except PawfectError:
        return ()


def _history_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.history")


def _history(path: Path) -> list[dict[str, Any]]:
    """Return the entries of the history; none where there is none yet."""
    place = _history_path(path)
    try:
        history = json.loads(place.read_text("utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError) as error:
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
