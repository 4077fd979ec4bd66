"""Deadline, cancellation and stage times of one request."""

from __future__ import annotations

import asyncio
import copy
import math
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.orchestrator import budget

T = TypeVar("T")


def _never() -> bool:
    return False


class StageTimes:
    """Wall-clock time by stage, none of it counted twice.

    While several stages run at once, each gets an equal share of the time that passes. So all
    together never exceed the request's own time.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._running: list[str] = []
        self._since = 0.0
        self._spent_ms: dict[str, float] = {}

    @contextmanager
    def measured(self, stage: str) -> Iterator[None]:
        """Count the time of the block for a stage; blocks may overlap, of one stage too."""
        self._settle()
        self._running.append(stage)
        self._spent_ms.setdefault(stage, 0.0)
        try:
            yield
        finally:
            self._settle()
            self._running.remove(stage)

    def ms(self) -> dict[str, float]:
        """Return milliseconds by stage, rounded down, in the order in which the stages began."""
        self._settle()
        return {stage: math.floor(100 * spent) / 100 for stage, spent in self._spent_ms.items()}

    def _settle(self) -> None:
        now = self._clock()
        for stage in self._running:
            self._spent_ms[stage] += (now - self._since) * 1000 / len(self._running)
        self._since = now


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
        self._times = StageTimes(clock)

    def reserving(self, reserve_ms: float) -> Control:
        """Return the request's clock for work that must end `reserve_ms` before the deadline."""
        early = copy.copy(self)
        early._reserve_ms += reserve_ms
        return early

    def part(self, limit_ms: float) -> Control:
        """Return a clock of its own for a part of the request that begins now.

        Args:
            limit_ms: how long the part may take; no longer than the request.
        """
        limit_ms = max(min(limit_ms, self.remaining_ms()), 0.0)
        return Control(math.ceil(limit_ms), self._is_cancelled, clock=self.clock)

    @property
    def stage_ms(self) -> dict[str, float]:
        """Milliseconds by stage; together never more than `elapsed_ms`."""
        return self._times.ms()

    @property
    def within_ms(self) -> float:
        """Milliseconds from the request's arrival to the deadline, less what is reserved."""
        return self.deadline_ms - self._reserve_ms

    def elapsed_ms(self) -> float:
        """Milliseconds since the request arrived."""
        return (self.clock() - self.started) * 1000

    def total_ms(self) -> float:
        """Milliseconds since the request arrived, never less than the stages together."""
        # Rounded up: the stages are rounded down.
        return math.ceil(100 * self.elapsed_ms()) / 100

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
        """Measure a stage for `stage_ms`, after a check that it may start."""
        self.check(name)
        with self._times.measured(name):
            yield

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
        task = asyncio.ensure_future(self._begun(stage, work))
        # One that never began is closed, or asyncio would report it as lost.
        task.add_done_callback(lambda _: work.close())
        began = self.clock()
        try:
            while True:
                longest = self.remaining_ms()
                if limit_ms is not None:
                    longest = min(longest, limit_ms - (self.clock() - began) * 1000)
                patience = min(budget.POLL_S, max(longest / 1000, 0.001))
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

    async def _begun(self, stage: str, work: Coroutine[Any, Any, T]) -> T:
        """Do work, unless the request is over by the time that it begins."""
        self.check(stage)
        return await work


async def dropped(*futures: asyncio.Future[Any]) -> None:
    """Cancel what is still going on and fetch its end, whatever it is."""
    for future in futures:
        future.cancel()
    await asyncio.gather(*futures, return_exceptions=True)
