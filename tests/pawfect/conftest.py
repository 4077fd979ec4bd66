"""The neural chains in this process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from pawfect.local import LocalModels
from pawfect.orchestrator import Deployment
from pawfect.orchestrator.deployment import read_deployment
from pawfect.profile import Profile, load_profile
from pawfect.weights.store import ROOT_VARIABLE, Store
from pawfect_export.fetch import fetch
from pawfect_export.progress import silent
from tests.conftest import no_hub


@pytest.fixture(scope="session")
def tiny_deployment(tiny_weights: Path, tiny: Profile) -> Deployment:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ROOT_VARIABLE, str(tiny_weights))
        return read_deployment(tiny)


@pytest.fixture(scope="session")
def tiny_models(tiny: Profile) -> LocalModels:
    """The tiny models, each loaded when it is first called; for tests in `in_tiny_weights`."""
    return LocalModels(tiny)


@dataclass(frozen=True, eq=False)
class TinyChain:
    """A denoising model with its tiny profile, in this process."""

    name: str
    profile: Profile
    deployment: Deployment
    models: LocalModels

    @property
    def text_encoder(self) -> str:
        return f"{self.name}_text_encoder"

    @property
    def vae_encoder(self) -> str:
        return f"{self.name}_vae_encoder"

    @property
    def transformer(self) -> str:
        return f"{self.name}_transformer"

    @property
    def vae_decoder(self) -> str:
        return f"{self.name}_vae_decoder"


# Profiles by chain.
TINY = {"flux": "tiny", "klein": "tiny-klein", "edit": "tiny-edit"}
# For `pytest.mark.parametrize("chain", ..., indirect=True)`. Qwen-Image-Edit goes the same ways as
# FLUX.2: its runs of all of them are slow.
ALL_CHAINS = ["flux", "klein", pytest.param("edit", marks=pytest.mark.slow)]


@pytest.fixture(scope="session")
def tiny_chain(tiny_weights: Path):
    """Return a chain by name; its weights are built when it is first asked for."""

    @cache
    def made(name: str) -> TinyChain:
        profile = load_profile(TINY[name])
        fetch(sorted(set(profile.weights.values())), Store(tiny_weights), no_hub, silent)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(ROOT_VARIABLE, str(tiny_weights))
            return TinyChain(name, profile, read_deployment(profile), LocalModels(profile))

    return made


@pytest.fixture
def chain(request: pytest.FixtureRequest, tiny_chain) -> TinyChain:
    """FLUX.1-Fill, or the chain that a test is parametrised with."""
    return tiny_chain(getattr(request, "param", "flux"))
