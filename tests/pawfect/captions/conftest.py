"""A tiny Florence-2 of random weights, built once."""

from __future__ import annotations

from pathlib import Path

import pytest

from pawfect.captions.florence2 import Captioner
from pawfect_export.tiny.florence2 import build


@pytest.fixture(scope="session")
def florence2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete checkpoint, not to be written to."""
    folder = tmp_path_factory.mktemp("weights") / "tiny-florence2"
    build(folder)
    return folder


@pytest.fixture(scope="session")
def captioner(florence2_folder: Path) -> Captioner:
    """The production loader's reading of it, in float32 on the CPU."""
    return Captioner.load(florence2_folder, device="cpu", dtype="float32", max_tokens=24)
