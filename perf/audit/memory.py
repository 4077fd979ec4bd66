"""The most memory that the server holds while one cell runs."""

from __future__ import annotations

import contextlib
import threading
import urllib.request
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Final, Self

import psutil

# How often memory is looked at, s: a step at full size takes a hundred times as long.
EVERY_S: Final = 0.02
# Triton renews its metrics every 2 s at most.
METRICS_EVERY_S: Final = 0.5
MIB: Final = 2**20
RESIDENT: Final = "resident set of the server's processes, pages they share counted in each"
METRICS: Final = "device memory in use, by the server's metrics, which are renewed every 2 s"


class PeakMemory:
    """Looks at memory from a thread of its own while a `with` block runs.

    Args:
        reader: returns, for one block, what returns the bytes in use; that may raise, which counts
            as no reading.
        every_s: pause between two readings, s.

    Attributes:
        peak_mib: the largest reading of the last block, MiB.
    """

    def __init__(self, reader: Callable[[], Callable[[], float]], every_s: float = EVERY_S) -> None:
        self._reader = reader
        self._read: Callable[[], float] = float
        self._every_s = every_s
        self._ended = threading.Event()
        self._thread = threading.Thread()
        self.peak_mib = 0.0

    def __enter__(self) -> Self:
        self.peak_mib = 0.0
        self._read = self._reader()
        self._ended.clear()
        self._look()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # In this order: of two that look at once, the one that wrote last would win.
        self._ended.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._ended.wait(self._every_s):
            self._look()

    def _look(self) -> None:
        # Processes end and metrics pause while they are looked at.
        with contextlib.suppress(psutil.Error, OSError, ValueError, RuntimeError):
            self.peak_mib = max(self.peak_mib, self._read() / MIB)


def watch_memory(device: str, pid: int, metrics_url: str) -> tuple[PeakMemory, str]:
    """Return what watches the memory that matters on a device, and what it measures.

    Args:
        device: cpu, or cuda: there by the server's own metrics.
        pid: of the server.
        metrics_url: of the server.
    """
    if device == "cpu":
        return PeakMemory(lambda: resident(pid)), RESIDENT
    metrics = partial(_metric_bytes, metrics_url)
    return PeakMemory(lambda: metrics, METRICS_EVERY_S), METRICS


def resident(pid: int) -> Callable[[], float]:
    """Return what reads the resident sets, bytes, of a process and all that are below it now.

    They are looked up once: that takes longer than reading them, and none is born within a cell.
    """
    try:
        process = psutil.Process(pid)
        processes = (process, *process.children(recursive=True))
    except psutil.NoSuchProcess:
        processes = ()

    def read() -> float:
        total = 0.0
        for one in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                total += one.memory_info().rss
        return total

    return read


def _metric_bytes(url: str) -> float:
    with urllib.request.urlopen(url, timeout=5) as page:
        lines = page.read().decode().splitlines()
    values = [
        float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("nv_gpu_memory_us")
    ]
    return max(values, default=0.0)
