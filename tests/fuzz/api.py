"""The API on a port of its own, in a thread with an event loop of its own: schemathesis waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from tests.service.stack import Stack, running


@dataclass(frozen=True)
class Served:
    """A running API.

    Attributes:
        url: of it, without a slash at its end.
        stack: what it stands on, of the other thread.
    """

    url: str
    stack: Stack

    @property
    def schema(self) -> dict[str, Any]:
        """Its own OpenAPI page."""
        made: dict[str, Any] = self.stack.app.openapi()
        return made


@contextmanager
def served(store: str, triton: str, *, working: bool = False, **settings: Any) -> Iterator[Served]:
    """Run an API for the length of the block.

    Args:
        store: where sessions live.
        triton: the server's address.
        working: whether a worker runs too.
        settings: of the API.
    """
    loop = asyncio.new_event_loop()
    ready: list[Stack] = []
    started, stop = threading.Event(), asyncio.Event()

    async def run() -> None:
        try:
            async with AsyncExitStack() as stack:
                ready.append(await stack.enter_async_context(running(store, triton, **settings)))
                if working:
                    await stack.enter_async_context(ready[0].working())
                started.set()
                await stop.wait()
        finally:
            started.set()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), name="fuzzed API")
    thread.start()
    started.wait()
    try:
        yield Served(str(ready[0].http.base_url).rstrip("/"), ready[0])
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
