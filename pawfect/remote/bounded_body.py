"""A bound on the size of an answer, for HTTPX's clients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2


class BodyError(ValueError):
    """An answer that is not read: too large, or packed."""


def bounded(most_bytes: int) -> Callable[[Any], Awaitable[None]]:
    """Return an event hook by which the reading of an answer ends with BodyError.

    What is packed is not unpacked at all: a few bytes can hold any number.

    Args:
        most_bytes: of an answer.
    """

    async def bound(response: Any) -> None:
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise BodyError("packed")
        response.stream = _Bounded(response.stream, most_bytes)

    return bound


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, most_bytes: int) -> None:
        self._stream, self._most_bytes = stream, most_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for part in self._stream:
            read += len(part)
            if read > self._most_bytes:
                raise BodyError("too large")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()
