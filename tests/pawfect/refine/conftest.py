"""A remote engine on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.image_server import ImageServer


@pytest.fixture
def images() -> Iterator[ImageServer]:
    with ImageServer().serving() as server:
        yield server
