"""The most memory that a server holds while something runs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Literal, Self

import psutil


def tree_bytes(pid: int, kind: Literal["rss", "pss"]) -> float:
    """Return the memory of a process and all below it, bytes.

    Args:
        pid: of the process.
        kind: rss, the resident sets, where pages that processes share count in each; pss, which
            counts them once, and takes longer to read.

    Raises:
        psutil.Error: there is no such process.
    """
    root, total = psutil.Process(pid), 0
    for process in (root, *root.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            info = process.memory_info() if kind == "rss" else process.memory_full_info()
            total += getattr(info, kind)
    return float(total)


class PeakMemory:
    """Looks at memory from a thread of its own while a `with` block runs.

    Args:
        read: returns the bytes in use; what it raises counts as no reading.
        every_s: pause between two readings, s.

    Attributes:
        bytes: the largest reading.
    """

    def __init__(self, read: Callable[[], float], every_s: float) -> None:
        self._read = read
        self._every_s = every_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.bytes = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *caught: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        self._look()
        while not self._ended.wait(self._every_s):
            self._look()
        self._look()

    def _look(self) -> None:
        # Processes end and metrics pause while they are looked at.
        with contextlib.suppress(psutil.Error, OSError, ValueError):
            self.bytes = max(self.bytes, self._read())
