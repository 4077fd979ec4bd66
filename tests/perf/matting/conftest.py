"""What the benchmark's own tests share: the engine of the network that comes with the set-up."""

from __future__ import annotations

import os

import pytest

from pawfect.contract.errors import PawfectError
from perf.matting.engine import Engine


@pytest.fixture(scope="session")
def engine() -> Engine:
    """Background removal of the embedded profile, with U2-Net-p."""
    try:
        found = Engine("embedded")
    except PawfectError as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))
    return found
