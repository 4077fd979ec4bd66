"""Both clients, and a request that keeps a server busy for a while."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from typing import Any, Self

from pawfect_client import AsyncPawfectClient, PawfectClient
from tests.lawn import holes
from tests.pawfect.photo.pictures import scene

# After this long the server holds a long job; it takes it ten times as long.
SENT_S = 0.8


def long_job() -> tuple[Any, Any]:
    """A photo and a mask that take the server seconds: sixteen holes, each a window of its own."""
    corners = [(x, y) for y in range(150, 1600, 400) for x in range(150, 1600, 400)]
    boxes = [(x, y, x + 100, y + 100) for x, y in corners]
    return scene(1600, 1600), holes(1600, 1600, *boxes)


class AsyncFromOutside:
    """The asynchronous client, called as the synchronous one is; its loop runs in a thread."""

    def __init__(self, url: str, **options: Any) -> None:
        self._client = AsyncPawfectClient(url, **options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._run(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def inpaint(self, *request: Any, **more: Any) -> Any:
        return self._run(self._client.inpaint(*request, **more))

    def scene_labels(self, *request: Any) -> Any:
        return self._run(self._client.scene_labels(*request))

    def background_removal(self, *request: Any, **more: Any) -> Any:
        return self._run(self._client.background_removal(*request, **more))

    def find_masks(self, *request: Any, **more: Any) -> Any:
        return self._run(self._client.find_masks(*request, **more))

    def read_text(self, *request: Any, **more: Any) -> Any:
        return self._run(self._client.read_text(*request, **more))

    def probe(self) -> None:
        self._run(self._client.probe())

    def inpaint_stream(self, *request: Any, **more: Any) -> Iterator[Any]:
        return self._events(self._client.inpaint_stream(*request, **more))

    def _events(self, stream: Any) -> Iterator[Any]:
        async def following() -> Any:
            return await anext(stream, None)

        try:
            while (event := self._run(following())) is not None:
                yield event
        finally:
            self._run(stream.aclose())


CLIENTS = {"sync": PawfectClient, "async": AsyncFromOutside}
