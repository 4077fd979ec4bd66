"""An event loop in a thread of its own, for functions that are called from threads."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.stop import Stop

# How often it is asked whether anybody waits, s: soon enough for who cancels, and next to no work.
POLL_S: Final = 0.05
# How long work may take beyond its deadline to end by itself, s.
GRACE_S: Final = 1.0

T = TypeVar("T")


class BackgroundLoop:
    """Runs coroutines of many threads on one event loop.

    The loop outlives each of them: what one leaves behind, such as a name that is being resolved,
    keeps nobody waiting.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name=name, daemon=True).start()

    def run(self, work: Coroutine[Any, Any, T], until: float, stop: Stop) -> T:
        """Return what the work returns; no longer than somebody waits for it.

        Args:
            work: keeps to the deadline by itself.
            until: the deadline, on `time.monotonic`, s.
            stop: says whether nobody waits any more.

        Raises:
            PawfectError: CANCELLED; DEADLINE where the work does not end by itself; in both cases
                it is cancelled, and not waited for.
        """
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        while not concurrent.futures.wait([future], POLL_S).done:
            if stop():
                future.cancel()
                raise PawfectError(ErrorKind.CANCELLED, "told to stop")
            if time.monotonic() > until + GRACE_S:
                future.cancel()
                raise PawfectError(ErrorKind.DEADLINE, "expected an end in time, got none")
        return future.result()
