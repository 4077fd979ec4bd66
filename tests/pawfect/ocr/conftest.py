"""The reader, on the networks that the set-up fetches."""

from __future__ import annotations

from pathlib import Path

import pytest

from pawfect.ocr.reader import Reader
from pawfect.weights.store import Store, weights_root


@pytest.fixture(scope="session")
def networks() -> Path:
    """The verified folder."""
    return Store(weights_root()).folder("pp-ocrv6-small", mend="make network")


@pytest.fixture(scope="session")
def reader(networks: Path) -> Reader:
    return Reader(networks, 1)
