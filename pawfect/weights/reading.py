"""What is read of a profile's weights without torch: their folders, and JSON in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.profile import Profile
from pawfect.weights.manifest import Entry, manifest, may_be_sold
from pawfect.weights.store import Store


def weights_folder(component: str, profile: Profile, store: Store) -> Path:
    """Return the verified folder of a component of a profile; raises as `Store.folder`."""
    entry = profile.entry(component)
    # What is asked about is left out where a whole profile is fetched.
    named = entry if store.entries[entry].asked else profile.name
    return store.folder(entry, mend=f"pawfect weights fetch {named}")


def bar(entry: str, profile: Profile, entries: Mapping[str, Entry] | None = None) -> str | None:
    """Say why the licence of an entry's weights bars it from a profile; None: it does not.

    Args:
        entry: its name.
        profile: whose.
        entries: by name; None: the package's own.
    """
    if profile.allow_noncommercial or may_be_sold(entry, entries):
        return None
    licence = (entries or manifest())[entry].licence
    return f"profile {profile.name} is for commercial use, {licence} is not"


def entry_folder(entry: str, store: Store) -> Path:
    """Return the verified folder of an entry of the manifest; raises as `Store.folder`."""
    return store.folder(entry, mend=f"pawfect weights fetch {entry}")


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """Read one of a checkpoint's JSON files.

    Raises:
        PawfectError: UNAVAILABLE where it is missing or damaged.
    """
    try:
        content = json.loads((folder / name).read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise unusable(folder, f"expected {name}, got {type(error).__name__}") from None
    if not isinstance(content, dict):
        raise unusable(folder, f"{name}: expected a JSON object, got {type(content).__name__}")
    return content


def unusable(folder: Path, problem: str) -> PawfectError:
    """Return the UNAVAILABLE error for a checkpoint's folder, named without its path."""
    return PawfectError(ErrorKind.UNAVAILABLE, f"weights {folder.name}: {problem}")
