"""A bound on each caller's requests over time."""

from __future__ import annotations

import math
import time

import limits
from limits.aio.strategies import MovingWindowRateLimiter
from limits.storage import storage_from_string

from pawfect.contract.errors import ErrorKind, invalid
from pawfect_service.http.failures import ApiError


class RateLimit:
    """Counts each caller's requests in a moving window.

    Args:
        rate: such as "120/minute".
        storage: where the counts are: "memory://" (this process) or what the `limits` library
            offers, such as "redis://HOST:6379" for several processes.

    Raises:
        PawfectError: INVALID_ARG for a rate or a storage that `limits` does not know.
    """

    def __init__(self, rate: str, storage: str = "memory://") -> None:
        try:
            self._item = limits.parse(rate)
        except ValueError:
            raise invalid("rate limit", "one such as 120/minute", repr(rate)) from None
        try:
            kept = storage_from_string(f"async+{storage}")
        except (limits.errors.ConfigurationError, ValueError):
            raise invalid("rate storage", "memory:// or redis://HOST:PORT", repr(storage)) from None
        self._limiter = MovingWindowRateLimiter(kept)

    async def check(self, caller: str) -> None:
        """Count a request; raise 429 with Retry-After where it is one too many."""
        if await self._limiter.hit(self._item, caller):
            return
        window = await self._limiter.get_window_stats(self._item, caller)
        wait_s = max(math.ceil(window.reset_time - time.time()), 1)
        message = f"requests: expected at most {self._item}, got more"
        raise ApiError(429, ErrorKind.QUEUE_FULL, message, {"Retry-After": str(wait_s)})
