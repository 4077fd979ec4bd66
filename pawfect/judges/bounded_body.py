"""A bound on the size of an answer, for HTTPX's clients."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import httpx2

# Most bytes of an answer: one has a few thousand, with what a model thought some ten thousand.
MOST_BYTES: Final = 1_048_576


class BodyError(ValueError):
    """An answer that is not read: too large, or packed."""


async def bounded(response: Any) -> None:
    """Have the reading of an answer end with BodyError beyond MOST_BYTES; an event hook.

    What is packed is not unpacked at all: a few bytes can hold any number.
    """
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise BodyError("packed")
    response.stream = _Bounded(response.stream)


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for part in self._stream:
            read += len(part)
            if read > MOST_BYTES:
                raise BodyError("too large")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()
