"""Definition of `candidate_search`, over what fills and what scores."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from pawfect.contract.search import SearchParams
from pawfect.contract.tensors import CANDIDATE_SEARCH
from pawfect.definitions.fill import BY_PATCHES
from pawfect.model import Model

SEARCH: Final = (
    Model(
        CANDIDATE_SEARCH,
        SearchParams,
        orchestration="pawfect.orchestrator.search:CANDIDATE_SEARCH",
        probe="pawfect.orchestrator.search:probe",
        # One candidate, the undiffused: the others take what is probed itself.
        probe_parameters=MappingProxyType({**BY_PATCHES, "k_global": 1, "k_local": 0}),
    ),
)
