"""Seconds of repeated work on a device."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from perf.flux.gpu.models import Scale


def seconds(scale: Scale, work: Callable[[], object]) -> dict[str, Any]:
    """Return the median and each of some runs of work, s, the device's own work included."""
    each = []
    for _ in range(scale.repeats):
        start = time.perf_counter()
        work()
        if scale.device == "cuda":
            torch.cuda.synchronize()
        each.append(round(time.perf_counter() - start, 6))
    return {"median_s": statistics.median(each), "each_s": each}
