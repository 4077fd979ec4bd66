"""The flow of `refine` without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from pawfect.contract.capabilities import Capabilities
from pawfect.contract.parameters import Scalar
from pawfect.contract.refine import RefineParams
from pawfect.contract.tensors import Array
from pawfect.local import LocalModels, profile_of, told_by
from pawfect.orchestrator.capabilities import capabilities
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.refine import RefineResult, refine
from pawfect.orchestrator.refining import read_refining, refine_request
from pawfect.orchestrator.request import Progress
from pawfect.profile import Profile
from pawfect.stop import Stop, never


class LocalRefine:
    """The flow of `refine` in this process; safe to use from several threads.

    Args:
        profile: None: the one of PAWFECT_PROFILE, else `embedded`.

    Raises:
        PawfectError: UNAVAILABLE where there is no such profile.
    """

    def __init__(self, profile: Profile | None = None) -> None:
        self._refining = read_refining(profile_of(profile), False)
        self._models = LocalModels(self._refining.fill.profile)

    def refine(
        self,
        tensors: Mapping[str, Array],
        parameters: Mapping[str, Scalar],
        *,
        stop: Stop = never,
        notify: Callable[[Progress], None] | None = None,
    ) -> RefineResult:
        """Repair a picture, with the pixels that the server would give.

        Args:
            tensors: the request's inputs by name, as in `pawfect.contract.tensors.REFINE`.
            parameters: the request's scalars, as in `RefineParams`.
            stop: asked often; once it is true, the work ends with CANCELLED.
            notify: takes each stage as it ends.

        Raises:
            PawfectError: as `pawfect.orchestrator.refine.refine` does.
        """
        params = RefineParams.parse(parameters)
        request = refine_request(tensors, params)
        # As on a server, no request's deadline pays for it.
        self._models.load_plain()
        control = Control(params.deadline_ms, stop)
        work = refine(request, self._refining, self._models, control, told_by(notify))
        return asyncio.run(work)

    def capabilities(self) -> Capabilities:
        """Return what can be done in this process."""
        return capabilities(self._refining)
