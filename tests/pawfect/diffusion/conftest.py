"""FLUX-Fill's fixtures, for what all chains share and is tried by it, and the other tiny chains."""

from __future__ import annotations

import pytest

from pawfect.weights.manifest import manifest
from pawfect.weights.store import Store
from pawfect_export.build import build_entry
from pawfect_export.progress import silent
from tests.pawfect.diffusion.tiny_chains import TINY
from tests.pawfect.flux.conftest import flux_folder, parts, pipeline, scene

__all__ = ["flux_folder", "parts", "pipeline", "scene"]


@pytest.fixture(scope="session")
def tiny_chains(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The tiny klein and the tiny Qwen-Image-Edit; not to be written to but by building more."""
    store = Store(tmp_path_factory.mktemp("chains"), manifest())
    for name in TINY:
        build_entry(name, store, silent)
    return store
