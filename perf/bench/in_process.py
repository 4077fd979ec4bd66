"""The same work as plain Python calls in this process: what serving is compared with."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Final

import cv2
import numpy as np

from pawfect.contract import Array
from pawfect.local import inpaint_local
from pawfect.mask import clean_mask
from pawfect.models import FUNCTIONS
from pawfect.window import plan_windows

# Calls whose median is quoted; one more goes before them and is not counted.
CALLS: Final = 5


def window_arrays(image: Array, mask: Array) -> dict[str, Array]:
    """Return the IMAGE and MASK of the first window that the orchestrator would cut out."""
    cleaned = clean_mask(mask.astype(np.uint8))
    window = plan_windows(cleaned.boxes, *cleaned.mask.shape)[0]
    own = window.hole_mask(cleaned.mask)
    return {"IMAGE": np.ascontiguousarray(image[window.box.slices]), "MASK": own}


def work_of(model: str, arrays: Mapping[str, Array]) -> Callable[[], object]:
    """Return the call that does in this process what a model does on the server."""
    if model in FUNCTIONS:
        return lambda: FUNCTIONS[model](arrays, {})
    image, mask = arrays["IMAGE"].astype(np.uint8), arrays["MASK"].astype(np.uint8)
    return lambda: inpaint_local(image, mask)


def median_ms(work: Callable[[], object], calls: int = CALLS) -> float:
    """Return the median wall time of a call in ms, on one OpenCV thread as on the server."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        work()
        return round(statistics.median(timed_ms(work) for _ in range(calls)), 2)
    finally:
        cv2.setNumThreads(before)


def timed_ms(work: Callable[[], object]) -> float:
    """Return the wall time of one call, ms."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000
