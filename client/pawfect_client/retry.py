"""When a failed call is sent again, and how long it waits before."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_client.failures import AnsweredError


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how patiently a call is repeated.

    The defaults wait up to 7.5 s in all: a server that a supervisor restarts is back within that.

    Attributes:
        attempts: calls in all, the first included, at least 1 (1: no retry).
        first_wait_s: longest wait before the second call, s.
        factor: how much longer each further wait is.
        max_wait_s: longest wait, s.
    """

    attempts: int = 5
    first_wait_s: float = 0.5
    factor: float = 2.0
    max_wait_s: float = 8.0

    def wait_s(self, failed: int) -> float:
        """Return the wait after so many failed calls, s.

        Half of it is random, so that clients that failed together do not come back together.
        """
        longest = min(self.first_wait_s * self.factor ** (failed - 1), self.max_wait_s)
        return longest * random.uniform(0.5, 1.0)


def may_succeed_later(error: PawfectError) -> bool:
    """Say whether the same call may succeed a moment later.

    The table decides, but for UNAVAILABLE in the service's own words: it is there and lacks what
    was asked for (an engine that its profile has not), which no retry changes.
    """
    refused = isinstance(error, AnsweredError) and error.kind is ErrorKind.UNAVAILABLE
    return error.row.retry and not refused


class Attempts:
    """The calls of one request: how much time is left, and whether there is another one.

    Args:
        policy: how often and how patiently.
        timeout_s: for all calls and the waits between them, s.
    """

    def __init__(self, policy: RetryPolicy, timeout_s: float) -> None:
        self._policy = policy
        self._until = time.monotonic() + timeout_s
        self._failed = 0

    def remaining_s(self) -> float:
        """Seconds left; never negative, which gRPC would refuse."""
        return max(self._until - time.monotonic(), 0.0)

    def wait_after(self, error: PawfectError) -> float:
        """Return the wait before the next call, s; raises the error where there is none."""
        self._failed += 1
        wait = self._policy.wait_s(self._failed)
        spent = self._failed >= self._policy.attempts or wait >= self.remaining_s()
        if spent or not may_succeed_later(error):
            raise error from None
        return wait
