"""How many requests are being queued at this moment, and what gives way to them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# With more requests than this at a time, pixels are checked by the worker alone: decoding them
# takes more CPU time than the rest of a request, and all the others would wait for it.
CALM: Final = 2


class RequestCounter:
    """Counts the requests that queue jobs."""

    def __init__(self) -> None:
        self._count = 0
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def busy(self) -> bool:
        """Whether there are more than a few."""
        return self._count > CALM

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count a request for the length of the block."""
        self._count += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._empty.set()

    async def idle(self, within_s: float) -> None:
        """Return once there are none, or after `within_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._empty.wait()
