"""A running API over the embedded store and the suite's real server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import ServedProcess, free_ports
from tests.sessions.flow.stack import Stack, running


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Where sessions live."""
    return f"embedded:{tmp_path / 'data'}"


@pytest.fixture
def nowhere() -> str:
    """An address where no server listens."""
    return f"127.0.0.1:{free_ports(1)[0]}"


@pytest.fixture
async def stack(store: str, server: ServedProcess) -> AsyncIterator[Stack]:
    """API and store over the real server; no worker."""
    async with running(store, server.endpoints.grpc) as stack:
        yield stack


@pytest.fixture
async def alone(store: str, nowhere: str) -> AsyncIterator[Stack]:
    """API and store without a server: for what is decided before one is asked."""
    async with running(store, nowhere) as stack:
        yield stack
