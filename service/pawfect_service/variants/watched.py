"""The variants' file of a running API: read anew when it changes, without a restart."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from pawfect.contract.errors import PawfectError
from pawfect_service.variants.file import Variants, load_variants

LOG: Final = logging.getLogger("pawfect.variants")


class WatchedVariants:
    """What a file says now. Each process looks for itself, at each job that it queues.

    Args:
        path: of the file.

    Raises:
        PawfectError: INVALID_ARG as `load_variants` says.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # Before the reading: a change meanwhile is seen the next time.
        self._seen = self._state()
        self._variants = load_variants(path)

    def now(self) -> Variants:
        """Return what the file says; where that is impossible, what it said before."""
        state = self._state()
        if state != self._seen:
            self._seen = state
            try:
                self._variants = load_variants(self._path)
                LOG.info("variants read anew")
            except PawfectError as error:
                LOG.error("the variants of before go on", extra={"why": error.message})
        return self._variants

    def _state(self) -> tuple[int, int, int] | None:
        """Return what tells one version of the file from another; None: there is no file."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
