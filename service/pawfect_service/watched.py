"""A file of a running API: read anew when it changes, without a restart."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

from pawfect.contract.errors import PawfectError, invalid

T = TypeVar("T")


def load_text(path: Path, at_most: int) -> str:
    """Return a file's text; INVALID_ARG for one that cannot be read, or is of more bytes."""
    try:
        with path.open("rb") as file:
            data = file.read(at_most + 1)
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise invalid(path.name, "a readable file", type(error).__name__) from None
    if len(data) > at_most:
        raise invalid(path.name, f"at most {at_most} bytes", "more")
    return text


class WatchedFile(Generic[T]):
    """What a file says now. Each process looks for itself, whenever it is asked.

    Args:
        path: of the file.
        load: reads it.
        what: what it holds, for the log.

    Raises:
        PawfectError: INVALID_ARG as `load` says.
    """

    def __init__(self, path: Path, load: Callable[[Path], T], what: str) -> None:
        self._path, self._load, self._what = path, load, what
        self._log: Final = logging.getLogger(f"pawfect.{what}")
        # Before the reading: a change meanwhile is seen the next time.
        self._seen = self._state()
        self._said = load(path)

    def now(self) -> T:
        """Return what the file says; where that is impossible, what it said before."""
        state = self._state()
        if state != self._seen:
            self._seen = state
            try:
                self._said = self._load(self._path)
                self._log.info("%s read anew", self._what)
            except PawfectError as error:
                why = {"why": error.message}
                self._log.error("the %s of before go on", self._what, extra=why)
        return self._said

    def _state(self) -> tuple[int, int, int] | None:
        """Return what tells one version of the file from another; None: there is no file."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
