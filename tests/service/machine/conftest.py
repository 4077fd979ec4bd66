"""The machine drives workers through thousands of failures: their log says nothing here."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    log = logging.getLogger("pawfect.worker")
    log.disabled = True
    yield
    log.disabled = False
