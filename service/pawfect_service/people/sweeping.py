"""What is done every so often, in the background of a process."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

LOG: Final = logging.getLogger("pawfect.people")

Sweep = Callable[[], Awaitable[Any]]

# How often, s.
SWEEP_EVERY_S: Final = 30.0


def every(seconds: float, sweep: Sweep) -> Sweep:
    """Return a sweep that does nothing until `seconds` after it last began."""
    due = -math.inf

    async def when_due() -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + seconds
            await sweep()

    return when_due


async def keep_sweeping(sweeps: Sequence[Sweep]) -> None:
    """Sweep every so often, until cancelled; a store that is away is asked again.

    Args:
        sweeps: what is done, one after another.
    """
    while sweeps:
        await asyncio.sleep(SWEEP_EVERY_S)
        for sweep in sweeps:
            try:
                await sweep()
            except Exception:
                LOG.warning("a sweep broke off", exc_info=True)
