"""What is read of a profile's weights without torch: their folders, and JSON in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.profile import Profile
from pawfect.weights.store import Store


def weights_folder(component: str, profile: Profile, store: Store) -> Path:
    """Return the verified folder of a component of a profile; raises as `Store.folder`."""
    mend = f"pawfect weights fetch {profile.name}"
    return store.folder(profile.entry(component), mend=mend)


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
