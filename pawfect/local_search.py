"""The flow of `candidate_search` without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from pawfect.contract.parameters import Scalar
from pawfect.contract.search import SearchParams
from pawfect.contract.tensors import Array
from pawfect.local import LocalModels, profile_of, told_by
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import read_deployment
from pawfect.orchestrator.request import Progress
from pawfect.orchestrator.search import SearchResult, search
from pawfect.orchestrator.searching import search_request
from pawfect.profile import Profile
from pawfect.stop import Stop, never


class LocalSearch:
    """The flow of `candidate_search` in this process; safe to use from several threads.

    Args:
        profile: None: the one of PAWFECT_PROFILE, else `embedded`.

    Raises:
        PawfectError: UNAVAILABLE where there is no such profile.
    """

    def __init__(self, profile: Profile | None = None) -> None:
        self._deployment = read_deployment(profile_of(profile))
        self._models = LocalModels(self._deployment.profile)

    def search(
        self,
        tensors: Mapping[str, Array],
        parameters: Mapping[str, Scalar],
        *,
        stop: Stop = never,
        notify: Callable[[Progress], None] | None = None,
    ) -> SearchResult:
        """Search for the best of many fills, with the pixels that the server would give.

        Args:
            tensors: the request's inputs by name, as in
                `pawfect.contract.tensors.CANDIDATE_SEARCH`.
            parameters: the request's scalars, as in `SearchParams`.
            stop: asked often; once it is true, the work ends with CANCELLED.
            notify: takes each stage as it ends, and each candidate, as `candidate` of it.

        Raises:
            PawfectError: as `pawfect.orchestrator.search.search` does.
        """
        params = SearchParams.parse(parameters)
        request = search_request(tensors, params)
        # As on a server, no request's deadline pays for it.
        self._models.load_plain()
        control = Control(params.deadline_ms, stop)
        work = search(request, self._deployment, self._models, control, told_by(notify))
        return asyncio.run(work)
