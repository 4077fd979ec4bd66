"""What a running server counted, and requests that keep it busy for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.pawfect.photo.pictures import scene
from tests.server.conftest import metric


def answers(server: Any, model: str, kind: str) -> int:
    """How many answers of a kind the server's own metric has counted."""
    return int(metric(server, "pawfect_answers_total", model=model, kind=kind))


def eventually(holds: Callable[[], bool], timeout_s: float = 10) -> bool:
    """Whether something comes true in time."""
    until = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def long_job() -> tuple[Any, Any]:
    """A photo and a mask that take the server seconds: sixteen holes, each a window of its own.

    Short windows, so that what a cancelled request leaves behind ends soon.
    """
    mask = np.zeros((1600, 1600), np.uint8)
    for y in range(150, 1600, 400):
        for x in range(150, 1600, 400):
            mask[y : y + 100, x : x + 100] = 255
    return scene(1600, 1600), mask
