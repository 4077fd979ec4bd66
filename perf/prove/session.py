"""A session's folder: a photo, its mask, and what else is known of it, found by their names."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pawfect.contract.tables import TableError
from perf.audit.matrix import Source

# The second names are those under which the sessions' API stores the same files.
NAMES: Final = {
    "photo": ("photo", "original"),
    "mask": ("mask", "mask_auto"),
    "protect": ("protect",),
    "truth": ("truth",),
}
_NEEDED: Final = ("photo", "mask")


def read_session(folder: Path) -> Source:
    """Return where a session's files are.

    Args:
        folder: holds photo.* and mask.* (or original.* and mask_auto.*), and may hold protect.*,
            the pet's mask, and truth.*, the photo without what is to vanish.

    Raises:
        TableError: there is no such folder, a file is missing, or there are two for one part.
    """
    where = f"session {folder.name}"
    if not folder.is_dir():
        raise TableError(where, "a folder with a photo and a mask", "no such folder")
    files: dict[str, list[Path]] = {role: [] for role in NAMES}
    for path in sorted(folder.iterdir()):
        for role, names in NAMES.items():
            if path.stem.lower() in names and path.is_file():
                files[role].append(path)
    for role, found in files.items():
        expected = " or ".join(f"{name}.*" for name in NAMES[role])
        if role in _NEEDED and not found:
            raise TableError(where, expected, _names(folder) or "an empty folder")
        if len(found) > 1:
            raise TableError(where, f"one of {expected}", ", ".join(path.name for path in found))
    given = {role: str(found[0]) for role, found in files.items() if found}
    return Source(name=folder.resolve().name, **given)  # type: ignore[arg-type]


def _names(folder: Path) -> str:
    # Enough to see that it is the wrong folder.
    return ", ".join(sorted(path.name for path in folder.iterdir())[:8])
