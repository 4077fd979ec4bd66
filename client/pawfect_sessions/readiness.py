"""Whether Triton fills: a tiny real inference, asked at most once in a while."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import numpy as np

from pawfect.contract import MIN_SIDE
from pawfect.errors import PawfectError
from pawfect_client.aio import AsyncPawfectClient

# An answer counts for so long, s: a balancer that asks every second costs next to nothing.
KEPT_S: Final = 5.0
# Longest wait for the server, s; a busy one answers its tiny inferences later than that too.
PATIENCE_S: Final = 3.0


class Readiness:
    """Asks the server's `inpaint` to fill four pixels.

    Args:
        client: of the server, with a short timeout and no retries.
    """

    def __init__(self, client: AsyncPawfectClient) -> None:
        self._client = client
        self._lock = asyncio.Lock()
        self._asked: float | None = None
        self._failure: PawfectError | None = None

    async def check(self) -> None:
        """Return where the server has answered within the last five seconds.

        Raises:
            PawfectError: what it, or the connection to it, answered instead.
        """
        async with self._lock:
            if self._asked is None or time.monotonic() - self._asked > KEPT_S:
                self._failure = await self._ask()
                self._asked = time.monotonic()
        if self._failure is not None:
            # A new one each time: an exception carries the frames it was raised in.
            raise PawfectError(self._failure.kind, self._failure.message)

    async def _ask(self) -> PawfectError | None:
        # A ramp, not a constant: constant pixels would hide swapped axes.
        ramp = np.arange(MIN_SIDE, dtype=np.uint8)
        image = np.ascontiguousarray(np.broadcast_to(ramp[None, :, None], (MIN_SIDE, MIN_SIDE, 3)))
        mask = np.zeros((MIN_SIDE, MIN_SIDE), np.uint8)
        mask[31:33, 31:33] = 255
        try:
            await self._client.inpaint(image, mask, engine="patch")
        except PawfectError as error:
            return error
        return None
