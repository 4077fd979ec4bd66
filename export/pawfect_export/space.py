"""The disk below the weights' root: where files grow, and whether there is room for them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_export.progress import in_words

# Left free on the disk beside what comes: locks, logs, other programs.
RESERVE_BYTES: Final = 256 * 2**20
# The folder, below the root, of files that are not whole yet.
PARTS: Final = ".parts"


def check_space(root: Path, needed: int, name: str) -> None:
    """Raise UNAVAILABLE unless the root's disk has room.

    Args:
        root: the weights' root.
        needed: bytes; 0 needs nothing.
        name: of the entry, for the message.
    """
    free = shutil.disk_usage(root).free
    if needed and free < needed + RESERVE_BYTES:
        raise PawfectError(
            ErrorKind.UNAVAILABLE,
            f"weights {name}: expected {in_words(needed + RESERVE_BYTES)} of free disk space, got "
            f"{in_words(free)}; free some, or choose another disk with PAWFECT_WEIGHTS",
        )
