"""One tiny klein for the folder: as our parts, and as diffusers' own pipelines load it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from pawfect.profile import Profile, load_profile
from pawfect.weights.store import Store
from pawfect_export.fetch import fetch
from pawfect_export.progress import silent
from tests import klein_oracle
from tests.conftest import no_hub
from tests.pawfect.flux.conftest import scene

__all__ = ["scene"]

TOKENS = 64


@pytest.fixture(scope="session")
def tiny_klein() -> Profile:
    return load_profile("tiny-klein")


@pytest.fixture(scope="session")
def klein_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """With the tiny klein; not to be written to."""
    store = Store(tmp_path_factory.mktemp("klein"))
    fetch(["tiny-klein"], store, no_hub, silent)
    return store


@pytest.fixture(scope="session")
def klein_folder(klein_store: Store) -> Path:
    """Not to be written to."""
    return klein_store.root / "tiny-klein"


@pytest.fixture
def copied(klein_folder: Path, tmp_path: Path) -> Path:
    """The tiny klein again, to be damaged."""
    return Path(shutil.copytree(klein_folder, tmp_path / "tiny-klein"))


@pytest.fixture(scope="session")
def klein(klein_folder: Path) -> klein_oracle.Parts:
    return klein_oracle.Parts.load(klein_folder, TOKENS)


@pytest.fixture(scope="session")
def pipeline(klein_folder: Path) -> klein_oracle.Flux2KleinPipeline:
    return klein_oracle.load_pipeline(klein_folder)


@pytest.fixture(scope="session")
def inpaint_pipeline(pipeline) -> klein_oracle.Flux2KleinInpaintPipeline:
    return klein_oracle.load_inpaint_pipeline(pipeline)


def step(
    seed: int,
    grid: tuple[int, int] = (3, 4),
    references: tuple[tuple[int, int], ...] = (),
    text: int = 8,
) -> dict[str, np.ndarray]:
    """One request's step, at a timestep of its own."""
    rng = np.random.default_rng(seed)
    tensors = {
        "LATENTS": rng.standard_normal((grid[0] * grid[1], 128), np.float32),
        "PROMPT_EMBEDS": rng.standard_normal((text, 96)).astype(np.float16),
        "TIMESTEP": rng.uniform(1, 1000, 1).astype(np.float32),
        "GRID": np.array(grid, np.int32),
    }
    if references:
        tokens = sum(rows * columns for rows, columns in references)
        tensors["REFERENCES"] = rng.standard_normal((tokens, 128), np.float32)
        tensors["REFERENCE_GRIDS"] = np.array(references, np.int32)
    return tensors
