"""The neural chain in this process: the tiny profile's weights, built once for the session."""

from __future__ import annotations

from pathlib import Path

import pytest

from pawfect.local import LocalModels
from pawfect.orchestrator import Deployment
from pawfect.orchestrator.deployment import read_deployment
from pawfect.profile import Profile, load_profile
from pawfect.weights.store import ROOT_VARIABLE, Store
from pawfect_export.fetch import fetch
from pawfect_export.progress import silent


def no_hub():
    raise AssertionError("the tiny weights are built, not fetched")


@pytest.fixture(scope="session")
def tiny() -> Profile:
    return load_profile("tiny")


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory, tiny: Profile) -> Path:
    """The weights' root with all entries of the tiny profile; not to be written to."""
    root = tmp_path_factory.mktemp("weights")
    fetch(sorted(set(tiny.weights.values())), Store(root), no_hub, silent)
    return root


@pytest.fixture
def in_tiny_weights(tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """PAWFECT_WEIGHTS names the tiny weights."""
    monkeypatch.setenv(ROOT_VARIABLE, str(tiny_weights))
    return tiny_weights


@pytest.fixture(scope="session")
def tiny_deployment(tiny_weights: Path, tiny: Profile) -> Deployment:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ROOT_VARIABLE, str(tiny_weights))
        return read_deployment(tiny)


@pytest.fixture(scope="session")
def tiny_models(tiny: Profile) -> LocalModels:
    """The tiny models, each loaded when it is first called; for tests in `in_tiny_weights`."""
    return LocalModels(tiny)
