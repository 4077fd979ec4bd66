"""The neural chain in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from pawfect.local import LocalModels
from pawfect.orchestrator import Setup
from pawfect.orchestrator.deployment import read_setup
from pawfect.profile import Profile
from pawfect.weights.store import ROOT_VARIABLE


@pytest.fixture(scope="session")
def tiny_setup(tiny_weights: Path, tiny: Profile) -> Setup:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ROOT_VARIABLE, str(tiny_weights))
        return read_setup(tiny)


@pytest.fixture(scope="session")
def tiny_models(tiny: Profile) -> LocalModels:
    """The tiny models, each loaded when it is first called; for tests in `in_tiny_weights`."""
    return LocalModels(tiny)
