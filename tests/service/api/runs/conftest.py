"""Runs whose server is in the test's own process."""

from __future__ import annotations

import pytest

from pawfect_client.client import AsyncPawfectClient
from tests.service.api.runs.inverting import Inverting


@pytest.fixture
async def inverting(monkeypatch: pytest.MonkeyPatch) -> Inverting:
    """Have every client call a server that inverts."""
    own = Inverting()
    for name in ("inpaint_stream", "refine_stream"):
        method = getattr(own, name)
        call = lambda _, *args, method=method, **given: method(*args, **given)  # noqa: E731
        monkeypatch.setattr(AsyncPawfectClient, name, call)
    return own
