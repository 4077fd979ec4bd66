"""`face_analysis` on the small networks, in plain Python, loaded once."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from pawfect.identity.serving import Run, face_analysis
from pawfect.settings import FacesSettings
from pawfect.weights.reading import entry_folder
from pawfect.weights.store import Store


def analysis(root: Path, *networks: str, size: int = 640) -> Run:
    settings = FacesSettings("cpu", 1, networks, size, 5000)
    return face_analysis(settings, partial(entry_folder, store=Store(root)))


@pytest.fixture(scope="session")
def insight(face_weights: Path) -> Run:
    """Of kind `insightface`, by `tiny-faces`."""
    return analysis(face_weights, "tiny-faces")
