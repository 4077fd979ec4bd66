"""What the models are sent, and the same work as plain Python calls, to compare serving with."""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.parameters import InpaintParams
from pawfect.contract.tensors import NONCE, Array
from pawfect.local import LocalModels
from pawfect.models import MODELS
from pawfect.orchestrator.calls import Scalars
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import Deployment
from pawfect.orchestrator.flow import inpaint
from pawfect.orchestrator.request import InpaintRequest
from pawfect.orchestrator.serving import inpaint_request
from pawfect.picture.mask import clean_mask
from pawfect.picture.window import plan_windows
from perf.bench.configs import AnalyzerConfig

# One step is enough to ask every model once, and no deadline is to cut it short.
ONE_STEP: Final = InpaintParams(engine="flux", steps=1, preview_every=0, deadline_ms=600_000)
# Requests with a NONCE of their own in one measurement: more than are counted, which perf_analyzer
# overshoots.
NONCES: Final = 100
# Calls whose median is quoted; one more goes before them and is not counted.
CALLS: Final = 5


def arrays_of(
    config: AnalyzerConfig,
    photo: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    asked: Mapping[str, Mapping[str, Array]],
) -> dict[str, Array]:
    """Return the input tensors of one configuration.

    Args:
        config: says what is sent.
        photo: UINT8 [H, W, 3].
        mask: UINT8 [H, W].
        asked: by model, what FLUX's chain asks it for, of `record_requests`.
    """
    arrays: Mapping[str, Array] = {"IMAGE": photo, "MASK": mask}
    if config.source == "window":
        arrays = window_arrays(photo, mask)
    elif config.source == "chain":
        arrays = asked[config.model]
    texts = {
        name: np.array([text.encode() for text in texts], np.object_)
        for name, texts in config.texts.items()
    }
    return {name: texts[name] if name in texts else arrays[name] for name in config.inputs}


def window_arrays(photo: NDArray[np.uint8], mask: NDArray[np.uint8]) -> dict[str, Array]:
    """Return the IMAGE and MASK of the first window that the orchestrator would cut out."""
    cleaned = clean_mask(mask)
    window = plan_windows(cleaned.boxes, *cleaned.mask.shape)[0]
    own = window.hole_mask(cleaned.mask)
    return {"IMAGE": np.ascontiguousarray(photo[window.box.slices]), "MASK": own}


def record_requests(
    models: LocalModels, deployment: Deployment, photo: NDArray[np.uint8], mask: NDArray[np.uint8]
) -> dict[str, dict[str, Array]]:
    """Fill a photo in this process and return the inputs of the first call to each model.

    SAM3's answer is kept from the chain, so that it goes on to ask Florence-2 too.

    Args:
        models: of a profile with FLUX.
        deployment: of the same profile.
        photo: UINT8 [H, W, 3].
        mask: UINT8 [H, W].
    """
    asked: dict[str, dict[str, Array]] = {}

    async def call(
        model: str, inputs: Mapping[str, Array], parameters: Scalars
    ) -> dict[str, Array]:
        asked.setdefault(model, {name: np.array(array) for name, array in inputs.items()})
        if model == "sam3_labeling":
            raise PawfectError(ErrorKind.UNAVAILABLE, "so that the captions are asked for")
        return await models(model, inputs, parameters)

    request = InpaintRequest(photo, mask, ONE_STEP)
    asyncio.run(inpaint(request, deployment, call, Control(ONE_STEP.deadline_ms)))
    return asked


def never_the_same(arrays: Mapping[str, Array], start: int) -> list[dict[str, Array]]:
    """Return requests that no response cache has seen.

    Args:
        arrays: one request to `flux_text_encoder`.
        start: the first NONCE; those of the next call start NONCES later.
    """
    return [{**arrays, NONCE: np.array([start + index], np.int64)} for index in range(NONCES)]


def work_of(
    model: str, arrays: Mapping[str, Array], models: LocalModels, deployment: Deployment
) -> Callable[[], object]:
    """Return the call that does in this process what a model does on the server.

    Args:
        model: name in the contract.
        arrays: its inputs by name.
        models: of the server's profile.
        deployment: of the server's profile.
    """
    if MODELS[model].orchestration:
        request = inpaint_request(arrays, InpaintParams())
        return lambda: asyncio.run(
            inpaint(request, deployment, models, Control(request.params.deadline_ms))
        )
    if model == "scene_labels":
        return lambda: _labels(arrays, models)
    return lambda: models.run(model, arrays, {})


def _labels(arrays: Mapping[str, Array], models: LocalModels) -> dict[str, Array]:
    """Do what the ensemble joins."""
    ring = models.run("mask_cleanup", {"MASK": arrays["MASK"]}, {})["RING"]
    return models.run("sam3_labeling", {"IMAGE": arrays["IMAGE"], "RING": ring}, {})


def median_ms(work: Callable[[], object], torch_threads: int = 1) -> float:
    """Return the median wall time of a call in ms, on as many threads as on the server: one.

    Args:
        work: what is called, once without being timed.
        torch_threads: torch's, of models that the server gives more.
    """
    # The server's OMP_NUM_THREADS; only the neural profiles have torch.
    torch: Any = sys.modules.get("torch")
    before = cv2.getNumThreads(), torch.get_num_threads() if torch else 1
    _set_threads(torch, 1, torch_threads)
    try:
        work()
        return round(statistics.median(timed_ms(work) for _ in range(CALLS)), 2)
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
