"""The same flow without a server: the models as plain function calls in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pawfect.contract import Array
from pawfect.models import FUNCTIONS
from pawfect.orchestrator.calls import Scalars
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.flow import InpaintRequest, InpaintResult, inpaint
from pawfect.parameters import InpaintParams, Scalar
from pawfect.profile import Profile, load_profile


class LocalModels:
    """Calls models in this process, each in a thread."""

    async def __call__(
        self, model: str, inputs: Mapping[str, Array], parameters: Scalars
    ) -> dict[str, Array]:
        """Return the model's outputs by name; see `CallModel`."""
        return await asyncio.to_thread(FUNCTIONS[model], inputs, parameters)


def inpaint_local(
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    *,
    protect: NDArray[np.uint8] | None = None,
    profile: Profile | None = None,
    **parameters: Scalar,
) -> InpaintResult:
    """Fill what the mask covers, in this process, with the pixels that the server would give.

    Args:
        image: UINT8 [H, W, 3] RGB.
        mask: UINT8 [H, W], >= 128 = fill.
        protect: UINT8 [H, W] or None, >= 128 = never filled.
        profile: None: the one of PAWFECT_PROFILE, else `embedded`.
        parameters: the request's scalars, as in `InpaintParams`.

    Raises:
        PawfectError: as `inpaint` does.
    """
    params = InpaintParams.parse(parameters)
    request = InpaintRequest(image, mask, params, protect)
    control = Control(params.deadline_ms)
    return asyncio.run(inpaint(request, profile or load_profile(), LocalModels(), control))
