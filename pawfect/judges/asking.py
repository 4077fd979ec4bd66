"""One question to a judge elsewhere: budget, deadline, repeats, and models that are gone."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.metrics import JUDGE_CALLS, JUDGE_USD
from pawfect.counting import count
from pawfect.judges.settings import JudgeSettings, RemoteModel, variable
from pawfect.remote.budget import Budget
from pawfect.remote.refusals import kind_of, status_words

# Too many requests, or a server in trouble: the same request may succeed a moment later.
_AGAIN: Final = (429, 500, 502, 503, 504)
# The model is not there, or no longer.
_GONE: Final = (404, 410)
# How often a request is sent again at most.
REPEATS: Final = 2
# Before the first repeat from half of this to all of it, s; twice that before the next.
PAUSE_S: Final = 1.0
# For so long a model that is gone is not asked for, s: a mistake at the provider's heals by itself.
GONE_S: Final = 3600.0


class CallError(Exception):
    """A request that brought no text.

    Args:
        error: what it means.
        again: whether the same request may succeed a moment later.
        gone: whether the model is not there.
        retry_after_s: when the judge wants to be asked again at the earliest, s from now.
    """

    def __init__(
        self,
        error: PawfectError,
        *,
        again: bool = False,
        gone: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(error.message)
        self.error, self.again, self.gone = error, again, gone
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class Said:
    """A judge's text.

    Attributes:
        text: as it came.
        model: that said it.
    """

    text: str
    model: str


@dataclass(frozen=True)
class Asked:
    """What became of one question.

    Attributes:
        calls: requests that were sent, repeats included.
        said: the answer; None where there is none.
        error: why there is none.
        gone: models that are not there any more.
    """

    calls: int
    said: Said | None = None
    error: PawfectError | None = None
    gone: tuple[str, ...] = ()


# Sends one request for a model of this name; raises CallError. Cancelled, it closes the connection.
Send = Callable[[str], Awaitable[Said]]


class Asker:
    """Asks one judge; for one event loop.

    Args:
        settings: of the judge.
        jitter: returns a number from 0 to 1, which spreads repeats.
        pause_s: before the first repeat, s.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        settings: JudgeSettings,
        *,
        jitter: Callable[[], float] = random.random,
        pause_s: float = PAUSE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._budget = Budget(settings.allowance)
        self._jitter, self._pause_s, self._clock = jitter, pause_s, clock
        self._gone_until: dict[str, float] = {}

    async def ask(self, send: Send, until: float) -> Asked:
        """Ask the first model that is there.

        Args:
            send: sends the question.
            until: the deadline, on the clock.
        """
        calls, gone = 0, tuple[str, ...]()
        for model in self._settings.models:
            if self._clock() < self._gone_until.get(model.name, 0.0):
                gone += (model.name,)
                continue
            asked, is_gone = await self._of(model, send, until)
            calls += asked.calls
            if not is_gone:
                return replace(asked, calls=calls, gone=gone)
            self._gone_until[model.name] = self._clock() + GONE_S
            gone += (model.name,)
        name = variable(self._settings.judge, "MODEL")
        message = f"{name}: expected a model that is there, got none of {', '.join(gone)}"
        return Asked(calls, error=PawfectError(ErrorKind.UNAVAILABLE, message), gone=gone)

    async def _of(self, model: RemoteModel, send: Send, until: float) -> tuple[Asked, bool]:
        """Return what became of a question to one model, and whether the model is gone."""
        for attempt in range(1 + REPEATS):
            try:
                if self._clock() >= until:
                    message = f"{self._settings.judge}: expected time left to ask it, got none"
                    raise PawfectError(ErrorKind.DEADLINE, message)
                self._budget.take(model.usd_per_call)
            except PawfectError as error:
                return Asked(attempt, error=error), False
            count(JUDGE_CALLS)
            count(JUDGE_USD, model.usd_per_call)
            try:
                return Asked(attempt + 1, await self._sent(model.name, send, until)), False
            except CallError as failure:
                pause = self._pause(failure, attempt)
                ends = attempt == REPEATS or pause >= until - self._clock()
                if failure.gone or ends or not failure.again:
                    return Asked(attempt + 1, error=failure.error), failure.gone
            await asyncio.sleep(pause)
        raise AssertionError("the last attempt returns")

    async def _sent(self, model: str, send: Send, until: float) -> Said:
        limit = min(self._settings.timeout_s, until - self._clock())
        try:
            async with asyncio.timeout(limit):
                return await send(model)
        except TimeoutError:
            message = f"{self._settings.judge}: expected an answer within {limit:.1f} s, got none"
            raise CallError(PawfectError(ErrorKind.DEADLINE, message)) from None

    def _pause(self, failure: CallError, attempt: int) -> float:
        """Return how long to wait before the next attempt, s."""
        spread: float = self._pause_s * 2**attempt * (0.5 + self._jitter() / 2)
        return max(spread, failure.retry_after_s or 0.0)


def refused(
    settings: JudgeSettings, status: int, said: object, retry_after_s: float | None = None
) -> CallError:
    """Return the failure of an answer with another status than 200.

    Args:
        settings: of the judge.
        status: of HTTP.
        said: why, in the judge's words, where it says so.
        retry_after_s: as in `CallError`.
    """
    told = status_words(status, said, settings.key)
    error = PawfectError(kind_of(status), f"{settings.judge}: expected an answer, got {told}")
    again, gone = status in _AGAIN, status in _GONE
    return CallError(error, again=again, gone=gone, retry_after_s=retry_after_s)


def dropped(settings: JudgeSettings) -> CallError:
    """Return the failure of a connection that could not be made, or broke."""
    message = f"{settings.judge}: expected an answer, got no connection to it"
    return CallError(PawfectError(ErrorKind.UNAVAILABLE, message), again=True)


def unreadable(settings: JudgeSettings, got: str) -> CallError:
    """Return the failure of an answer that is not one of the judge's API."""
    message = f"{settings.judge}: expected an answer of its API, got {got}"
    return CallError(PawfectError(ErrorKind.INTERNAL, message))
