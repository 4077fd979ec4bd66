"""The same work as plain Python calls in this process: what serving is compared with."""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import cv2
import numpy as np

from pawfect.contract.parameters import InpaintParams
from pawfect.contract.tensors import Array
from pawfect.local import LocalModels
from pawfect.models import MODELS
from pawfect.orchestrator.calls import Scalars
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import Deployment
from pawfect.orchestrator.flow import inpaint
from pawfect.orchestrator.serving import inpaint_request
from pawfect.picture.mask import clean_mask
from pawfect.picture.window import plan_windows

# Calls whose median is quoted; one more goes before them and is not counted.
CALLS: Final = 5
_NONE: Final[Scalars] = MappingProxyType({})


def window_arrays(image: Array, mask: Array) -> dict[str, Array]:
    """Return the IMAGE and MASK of the first window that the orchestrator would cut out."""
    cleaned = clean_mask(mask.astype(np.uint8))
    window = plan_windows(cleaned.boxes, *cleaned.mask.shape)[0]
    own = window.hole_mask(cleaned.mask)
    return {"IMAGE": np.ascontiguousarray(image[window.box.slices]), "MASK": own}


def work_of(
    model: str,
    arrays: Mapping[str, Array],
    models: LocalModels,
    deployment: Deployment,
    parameters: Scalars = _NONE,
) -> Callable[[], object]:
    """Return the call that does in this process what a model does on the server.

    Args:
        model: name in the contract.
        arrays: its inputs by name.
        models: of the server's profile.
        deployment: of the server's profile.
        parameters: of the request.
    """
    if MODELS[model].orchestration:
        request = inpaint_request(arrays, InpaintParams.parse(parameters))
        return lambda: asyncio.run(
            inpaint(request, deployment, models, Control(request.params.deadline_ms))
        )
    if model == "scene_labels":
        return lambda: _labels(arrays, models)
    return lambda: models.run(model, arrays, parameters)


def _labels(arrays: Mapping[str, Array], models: LocalModels) -> dict[str, Array]:
    """Do what the ensemble joins."""
    ring = models.run("mask_cleanup", {"MASK": arrays["MASK"]}, {})["RING"]
    return models.run("sam3_labeling", {"IMAGE": arrays["IMAGE"], "RING": ring}, {})


def median_ms(work: Callable[[], object], calls: int = CALLS, torch_threads: int = 1) -> float:
    """Return the median wall time of a call in ms, on as many threads as on the server: one.

    Args:
        work: what is called.
        calls: how often it is timed, after once without.
        torch_threads: torch's, of models that the server gives more.
    """
    # The server's OMP_NUM_THREADS; only the neural profiles have torch.
    torch = sys.modules.get("torch")
    before = cv2.getNumThreads(), torch.get_num_threads() if torch else 1
    _set_threads(torch, 1, torch_threads)
    try:
        work()
        return round(statistics.median(timed_ms(work) for _ in range(calls)), 2)
    finally:
        _set_threads(torch, *before)


def _set_threads(torch: Any, opencv: int, tensors: int) -> None:
    cv2.setNumThreads(opencv)
    if torch:
        torch.set_num_threads(tensors)


def timed_ms(work: Callable[[], object]) -> float:
    """Return the wall time of one call, ms."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000
