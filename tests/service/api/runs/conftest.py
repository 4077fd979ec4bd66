"""Runs whose server is in the test's own process."""

from __future__ import annotations

import pytest

from pawfect_client.client import AsyncPawfectClient
from tests.service.api.runs.inverting import Inverting
from tests.service.api.runs.searching import Searching


@pytest.fixture
async def inverting(monkeypatch: pytest.MonkeyPatch) -> Inverting:
    """Have every client call a server that inverts."""
    own = Inverting()
    for name in ("inpaint_stream", "refine_stream"):
        method = getattr(own, name)
        call = lambda _, *args, method=method, **given: method(*args, **given)  # noqa: E731
        monkeypatch.setattr(AsyncPawfectClient, name, call)
    return own


@pytest.fixture
async def searching(monkeypatch: pytest.MonkeyPatch) -> Searching:
    """Have every client's search go to a server without networks."""
    own = Searching()
    call = lambda _, *args, **given: own.search_stream(*args, **given)  # noqa: E731
    monkeypatch.setattr(AsyncPawfectClient, "search_stream", call)
    return own
