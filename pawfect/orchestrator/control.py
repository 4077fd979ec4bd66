"""Deadline, cancellation and stage times of one request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from pawfect.contract.errors import ErrorKind, PawfectError

T = TypeVar("T")

# How often a running stage looks whether the caller went away: well under a stage, and cheap.
POLL_S: Final = 0.05
# Kept free for what comes after the last step, ms: decoding, compositing and the answer.
RESERVE_MS: Final = 300.0


def _never() -> bool:
    return False


class Control:
    """The clock of one request: how long it may still take, and whether anyone still waits for it.

    Args:
        deadline_ms: from `started` to the answer.
        is_cancelled: says whether the caller cancelled; called often, from one thread.
        started: the clock at the request's arrival, s; None: now.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        deadline_ms: int,
        is_cancelled: Callable[[], bool] = _never,
        started: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self.started = clock() if started is None else started
        self.deadline_ms = deadline_ms
        self._is_cancelled = is_cancelled
        self._reserve_ms = 0.0
        self.stage_ms: dict[str, float] = {}

    def reserving(self, reserve_ms: float) -> Control:
        """Return the request's clock for work that must end `reserve_ms` before the deadline."""
        early = Control(self.deadline_ms, self._is_cancelled, self.started, self.clock)
        early.stage_ms = self.stage_ms
        early._reserve_ms = self._reserve_ms + reserve_ms
        return early

    @property
    def within_ms(self) -> float:
        """Milliseconds from the request's arrival to the deadline, less what is reserved."""
        return self.deadline_ms - self._reserve_ms

    def elapsed_ms(self) -> float:
        """Milliseconds since the request arrived."""
        return (self.clock() - self.started) * 1000

    def remaining_ms(self) -> float:
        """Milliseconds until the deadline, less what is reserved; negative when it has passed."""
        return self.within_ms - self.elapsed_ms()

    def check(self, stage: str) -> None:
        """Raise CANCELLED or DEADLINE where the request must not enter or go on with `stage`."""
        if self._is_cancelled():
            raise PawfectError(ErrorKind.CANCELLED, f"cancelled by the caller before {stage} ended")
        if self.remaining_ms() <= 0:
            raise PawfectError(
                ErrorKind.DEADLINE,
                f"deadline_ms: expected an answer within {self.within_ms:.0f} ms, "
                f"got {self.elapsed_ms():.0f} ms in {stage}",
            )

    def raise_if_over(self, error: PawfectError) -> None:
        """Raise the error again where it is the request that is over, not a stage that failed."""
        if error.kind is ErrorKind.CANCELLED or self.remaining_ms() <= 0:
            raise error

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage into `stage_ms`, after a check that it may start."""
        self.check(name)
        start = self.clock()
        try:
            yield
        finally:
            spent = (self.clock() - start) * 1000
            self.stage_ms[name] = round(self.stage_ms.get(name, 0.0) + spent, 2)

    async def wait(
        self, stage: str, work: Coroutine[Any, Any, T], limit_ms: float | None = None
    ) -> T:
        """Wait for work that cannot be interrupted, no longer than anyone waits for its result.

        Args:
            stage: for messages.
            work: what to wait for.
            limit_ms: how long this stage may take; None: as long as the request.

        Raises:
            PawfectError: CANCELLED or DEADLINE; the work is then left to end by itself and its
                result is dropped.
        """
        task = asyncio.ensure_future(work)
        began = self.clock()
        try:
            while True:
                longest = self.remaining_ms()
                if limit_ms is not None:
                    longest = min(longest, limit_ms - (self.clock() - began) * 1000)
                patience = min(POLL_S, max(longest / 1000, 0.001))
                done, _ = await asyncio.wait({task}, timeout=patience)
                if done:
                    return task.result()
                self.check(stage)
                spent = (self.clock() - began) * 1000
                if limit_ms is not None and spent > limit_ms:
                    raise PawfectError(
                        ErrorKind.DEADLINE,
                        f"{stage}: expected an answer within {limit_ms:.0f} ms, got none",
                    )
        except BaseException:
            # An abandoned task's exception is fetched, or asyncio would report it as lost.
            task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            task.cancel()
            raise
