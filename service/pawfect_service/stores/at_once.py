"""Many calls to a store, some at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, TypeVar

T = TypeVar("T")

# Calls to a store at a time.
AT_ONCE: Final = 16


async def some_at_once(each: Iterable[Any], work: Callable[[Any], Awaitable[T]]) -> list[T]:
    """Return what work gives for each, `AT_ONCE` at a time; the first failure is raised."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(value: Any) -> T:
        async with room:
            return await work(value)

    tasks = [asyncio.ensure_future(one(value)) for value in each]
    # All have ended before one fails: none goes on in a store that closes.
    await asyncio.gather(*tasks, return_exceptions=True)
    return [task.result() for task in tasks]
