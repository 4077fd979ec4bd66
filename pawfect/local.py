"""The same flow without a server: the models as plain function calls in threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError, from_exception
from pawfect.contract.parameters import InpaintParams, Scalar
from pawfect.contract.tensors import Array
from pawfect.orchestrator.calls import Scalars
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import read_deployment
from pawfect.orchestrator.flow import inpaint
from pawfect.orchestrator.request import InpaintRequest, InpaintResult
from pawfect.profile import Profile, load_profile
from pawfect.serving import Function, load_function
from pawfect.stop import Stop, never
from pawfect.weights.store import Store, weights_root


class LocalModels:
    """Calls models in this process, each in a thread.

    Args:
        profile: its models are loaded when they are first called; None: the default one.
    """

    def __init__(self, profile: Profile | None = None) -> None:
        self._profile = profile or load_profile()
        self._loaded: dict[str, Function] = {}
        self._lock = threading.Lock()

    async def __call__(
        self, model: str, inputs: Mapping[str, Array], parameters: Scalars
    ) -> dict[str, Array]:
        """Return the model's outputs by name; see `CallModel`.

        Cancelled, it has a model that can be stopped stop.
        """
        over = threading.Event()
        try:
            return await asyncio.to_thread(self.run, model, inputs, parameters, over.is_set)
        finally:
            over.set()

    def run(
        self,
        model: str,
        inputs: Mapping[str, Array],
        parameters: Scalars,
        stop: Stop = never,
    ) -> dict[str, Array]:
        """Return the model's outputs by name, in the caller's own thread."""
        with self._lock:
            if model not in self._loaded:
                self._loaded[model] = self._load(model)
            function = self._loaded[model]
        try:
            return function(inputs, parameters, stop)
        except Exception as error:
            # As the server's models answer: callers know the table of errors only.
            failure = from_exception(error, model)
            if failure is error:
                raise
            raise failure from error

    def _load(self, model: str) -> Function:
        if model not in self._profile.models:
            raise PawfectError(ErrorKind.UNAVAILABLE, f"{model}: not in the profile")
        return load_function(model, self._profile, Store(weights_root()))


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
    deployment = read_deployment(profile or load_profile())
    return asyncio.run(inpaint(request, deployment, LocalModels(deployment.profile), control))
