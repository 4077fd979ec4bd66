"""The candidates of one stage, several at a time; fewer, then smaller where memory is short."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.report import Fallback
from pawfect.orchestrator.control import dropped
from pawfect.search.tries import Try

# What is still to be done about a candidate that was made.
Finish = Callable[[], Awaitable[None]]
# The smallest window that a search goes down to, px: below it there is nothing to choose from.
LEAST_PX: Final = 256
# The denoising models' largest canvas of a 16 GB card, px: windows of patches are no smaller.
LARGEST_PX: Final = 1024


@dataclass(frozen=True)
class Room:
    """How many candidates are made at a time, and how large.

    Attributes:
        at_once: 1 or more.
        window_px: longest side of a window, px; None: the engine's own.
    """

    at_once: int
    window_px: int | None = None

    def less(self) -> Room | None:
        """Return the next that needs less memory; None where this is the least."""
        if self.at_once > 1:
            return replace(self, at_once=self.at_once // 2)
        smaller = (self.window_px or LARGEST_PX) // 2
        return replace(self, window_px=smaller) if smaller >= LEAST_PX else None


@dataclass(frozen=True)
class Stage:
    """How a stage ended.

    Attributes:
        room: what was left to work in.
        short: whether memory did not even suffice for one small candidate.
        fallbacks: where it was short.
    """

    room: Room
    short: bool
    fallbacks: tuple[Fallback, ...]


async def make_all(
    tries: Iterable[Try],
    room: Room,
    make: Callable[[Try, Room], Awaitable[Finish]],
    goes_on: Callable[[], bool],
) -> Stage:
    """Make the candidates of one stage.

    Args:
        tries: in the order in which they begin.
        room: how many at a time.
        make: makes one and returns how it is finished, by its judges, while others are made;
            raises OUT_OF_MEMORY where it is to be made again in less room, and else what ends the
            search.
        goes_on: asked before each: whether another can still win.

    Raises:
        PawfectError: what `make` raised, once all others are stopped.
    """
    waiting = deque(tries)
    running: dict[asyncio.Future[Any], tuple[Try, Room]] = {}
    finishing: set[asyncio.Future[Any]] = set()
    fallbacks: tuple[Fallback, ...] = ()
    try:
        while waiting or running or finishing:
            while waiting and len(running) < room.at_once and goes_on():
                tried = waiting.popleft()
                running[asyncio.ensure_future(make(tried, room))] = (tried, room)
            if not running and not finishing:
                break
            done, _ = await asyncio.wait(
                {*running, *finishing}, return_when=asyncio.FIRST_COMPLETED
            )
            for ended in finishing & done:
                finishing.remove(ended)
                ended.result()
            for task in [one for one in running if one in done]:
                tried, within = running.pop(task)
                error = task.exception()
                if error is None:
                    finishing.add(asyncio.ensure_future(task.result()()))
                    continue
                if not isinstance(error, PawfectError) or error.kind is not ErrorKind.OUT_OF_MEMORY:
                    raise error
                waiting.appendleft(tried)
                # Another of the same room may have told already.
                if within != room:
                    continue
                less = room.less()
                if less is None:
                    await asyncio.gather(*finishing)
                    return Stage(room, True, fallbacks)
                instead = _in_words(room, less)
                fallbacks += (Fallback("propose", error.message, instead, error.kind),)
                room = less
        return Stage(room, False, fallbacks)
    finally:
        await dropped(*running, *finishing)


def _in_words(room: Room, less: Room) -> str:
    if less.at_once < room.at_once:
        return f"{less.at_once} at a time"
    return f"windows of {less.window_px} px"
