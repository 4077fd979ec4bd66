"""What all tests of the client leave as they found it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.client.processes import end_all


@pytest.fixture(autouse=True)
def no_process_outlives_its_test() -> Iterator[None]:
    yield
    end_all()
