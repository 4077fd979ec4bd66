"""What a variant takes: seconds and the most memory, each in a fresh process of its own."""

from __future__ import annotations

import multiprocessing
import os
import statistics
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from perf.matting.engine import Engine
from perf.matting.pictures import picture
from perf.matting.removers import Variant
from perf.peak_memory import PeakMemory, tree_bytes

# Photos that costs are stated for, width and height in px: what a phone sends over a messenger, and
# what a camera takes.
SIZES: Final = ((1200, 900), (4000, 3000))
# A furry subject that fills a third of the photo: much edge to refine.
SUBJECT: Final = "laid_brick"
# Answers whose median is stated: another process that wakes up spoils one or two of them.
TURNS: Final = 5
# Far shorter than any pass that holds the memory, s.
MEMORY_EVERY_S: Final = 0.01


@dataclass(frozen=True)
class Taken:
    """What one variant takes for one size of photo.

    Attributes:
        variant: its name.
        width: of the photo, px.
        height: of the photo, px.
        cold_s: wall time of the first answer in a fresh process, loading included.
        seconds: wall time of an answer after it, median.
        cpu_seconds: of all threads, likewise.
        stages: name, wall milliseconds as REPORT has them, and those of all threads; medians.
        peak_gib: the most memory of the process, GiB.
        idle_gib: its memory before anything was loaded, GiB.
        error: what was raised or why there is no figure; empty if nothing.
    """

    variant: str
    width: int
    height: int
    cold_s: float = 0.0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    stages: tuple[tuple[str, float, float], ...] = ()
    peak_gib: float = 0.0
    idle_gib: float = 0.0
    error: str = ""


def photo_of(width: int, height: int) -> NDArray[np.uint8]:
    """Return the photo that costs are measured on, UINT8 [height, width, 3]."""
    large = cv2.resize(picture(SUBJECT).photo, (width, height), interpolation=cv2.INTER_CUBIC)
    # A sensor's grain: without it every step that follows texture would have nothing to do.
    grain = np.random.default_rng(0).normal(0, 2, (height, width, 1))
    return np.clip(np.rint(large + grain), 0, 255).astype(np.uint8)


def taken(variant: Variant, profile: str, width: int, height: int, turns: int = TURNS) -> Taken:
    """Measure a variant on one size of photo, in a process that ends with it."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(measure_here, variant, profile, width, height, turns).result()
        except BrokenProcessPool:
            return Taken(variant.name, width, height, error="the process ended, out of memory?")


def all_taken(
    variants: Sequence[Variant],
    profile: str,
    sizes: Sequence[tuple[int, int]] = SIZES,
    turns: int = TURNS,
) -> list[Taken]:
    """Measure variants on photos of these sizes, one after another."""
    return [taken(one, profile, *size, turns) for one in variants for size in sizes]


def measure_here(variant: Variant, profile: str, width: int, height: int, turns: int) -> Taken:
    """Measure a variant on one size of photo in this process, which holds what it held before."""
    photo = photo_of(width, height)
    pid = os.getpid()
    idle = tree_bytes(pid, "rss")
    seconds: list[tuple[float, float]] = []
    stages: list[list[tuple[str, float, float]]] = []
    with PeakMemory(lambda: tree_bytes(pid, "rss"), MEMORY_EVERY_S) as peak:
        start = perf_counter()
        try:
            engine = Engine(profile)
            engine.remover(variant)(photo)
            cold = perf_counter() - start
            # The first of its kind in a process, too, loads what it calls.
            engine.timed(variant, photo)
            for _ in range(turns):
                wall, cpu = perf_counter(), process_time()
                report, cpu_ms = engine.timed(variant, photo)
                seconds.append((perf_counter() - wall, process_time() - cpu))
                stages.append([(n, ms, cpu_ms.get(n, 0.0)) for n, ms in report.stage_ms.items()])
        except Exception as error:  # noqa: BLE001 - whatever it raises is its result
            return Taken(variant.name, width, height, error=f"{type(error).__name__}: {error}")
    wall, cpu = (statistics.median(column) for column in zip(*seconds, strict=True))
    gib = peak.bytes / 2**30, idle / 2**30
    return Taken(variant.name, width, height, cold, wall, cpu, _medians(stages), *gib)


def _medians(
    answers: Sequence[Sequence[tuple[str, float, float]]],
) -> tuple[tuple[str, float, float], ...]:
    """Return each stage's medians over answers that all have the same stages."""
    return tuple(
        (
            turns[0][0],
            statistics.median(t[1] for t in turns),
            statistics.median(t[2] for t in turns),
        )
        for turns in zip(*answers, strict=True)
    )
