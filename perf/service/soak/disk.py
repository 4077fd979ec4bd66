"""The store's disk: a small file system of its own, which can be made full."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

# Small pictures: some 40 MB of files a minute on two cores, and as much again.
MB_PER_MINUTE: Final = 80
_LEAST_MB: Final = 256
# Memory, which it takes as it is filled: at most this, whatever the run's length.
_MOST_MB: Final = 3000
# A full one has so much left, bytes: less than any picture.
_LEFT: Final = 16 * 1024
# How often it is tried while others write; each time twice as much is left.
_TRIES: Final = 8


class Disk:
    """A tmpfs mounted for the length of a `with` block; a plain folder where none may be mounted.

    Full means that its size is set to what is in it, so that no ballast takes memory.

    Args:
        folder: where; made if missing.
        minutes: of the run that it has to hold.

    Attributes:
        why_none: why it cannot be made full; None: it can.
    """

    def __init__(self, folder: Path, minutes: float) -> None:
        self.folder = folder
        self._mb = min(max(_LEAST_MB, round(MB_PER_MINUTE * minutes)), _MOST_MB)
        self.why_none: str | None = None

    def __enter__(self) -> Disk:
        self.folder.mkdir(parents=True, exist_ok=True)
        made = self._mount("-t", "tmpfs", "-o", f"size={self._mb}m", "pawfect-soak")
        if made is not None:
            self.why_none = f"no file system of its own: {made}"
        return self

    def __exit__(self, *caught: object) -> None:
        if self.why_none is None:
            refused = _run("umount", "-l", str(self.folder))
            if refused is not None and not any(caught):
                raise RuntimeError(f"the disk is left mounted: {refused}")

    def fill(self) -> None:
        """Leave no room on it.

        Raises:
            RuntimeError: it cannot be made full here.
        """
        for tries in range(_TRIES):
            # More may be written before the size is set, which cannot be less than what is in it.
            found = os.statvfs(self.folder)
            used = (found.f_blocks - found.f_bfree) * found.f_frsize
            refused = self._resize(used + _LEFT * 2**tries)
            if refused is None:
                return
        raise RuntimeError(refused)

    def free(self) -> None:
        """Give it its room back; RuntimeError: it is not given."""
        refused = self._resize(self._mb * 2**20)
        if refused is not None:
            raise RuntimeError(refused)

    def _resize(self, size: int) -> str | None:
        """Set the size, bytes; return what hinders it."""
        return self.why_none or self._mount("-o", f"remount,size={size}")

    def _mount(self, *options: str) -> str | None:
        """Return what hinders it in a line, which names no place of this machine."""
        told = _run("mount", *options, str(self.folder))
        return told and " ".join(told.replace(str(self.folder), "the disk").split())


def _run(*command: str) -> str | None:
    """Run a command; return what it says where it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return f"{command[0]}: {error.strerror}"
    return None if done.returncode == 0 else done.stderr.strip() or f"exit code {done.returncode}"
