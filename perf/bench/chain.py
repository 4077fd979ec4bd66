"""What FLUX's chain asks its models for, taken from a real run of it over the reference scene."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.parameters import InpaintParams, Scalar
from pawfect.contract.tensors import NONCE, Array
from pawfect.local import LocalModels
from pawfect.orchestrator.calls import Scalars
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import Deployment
from pawfect.orchestrator.flow import inpaint
from pawfect.orchestrator.request import InpaintRequest

# One step is enough to ask every model once, and no deadline is to cut it short.
PARAMETERS: Final[Mapping[str, Scalar]] = {
    "engine": "flux",
    "steps": 1,
    "preview_every": 0,
    "deadline_ms": 600_000,
}
# Requests with a NONCE of their own in one measurement: more than are counted, which perf_analyzer
# overshoots.
NONCES: Final = 100


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

    params = InpaintParams.parse(PARAMETERS)
    request = InpaintRequest(photo, mask, params)
    asyncio.run(inpaint(request, deployment, call, Control(params.deadline_ms)))
    return asked


def never_the_same(arrays: Mapping[str, Array], start: int) -> list[dict[str, Array]]:
    """Return requests that no response cache has seen.

    Args:
        arrays: one request to `flux_text_encoder`.
        start: the first NONCE; those of the next call start NONCES later.
    """
    return [{**arrays, NONCE: np.array([start + index], np.int64)} for index in range(NONCES)]
