"""The neural chain in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from pawfect.local import LocalModels
from pawfect.orchestrator import Deployment
from pawfect.orchestrator.deployment import read_deployment
from pawfect.profile import Profile
from pawfect.weights.store import ROOT_VARIABLE


@pytest.fixture(scope="session")
def tiny_deployment(tiny_weights: Path, tiny: Profile) -> Deployment:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ROOT_VARIABLE, str(tiny_weights))
        return read_deployment(tiny)


@pytest.fixture(scope="session")
def tiny_models(tiny: Profile) -> LocalModels:
    """The tiny models, each loaded when it is first called; for tests in `in_tiny_weights`."""
    return LocalModels(tiny)
