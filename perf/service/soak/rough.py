"""Requests as rough clients make them: slowly, by halves, and answers that are read at leisure."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from typing import Final

import httpx

# How long a slow client takes for its photo, s, and in how many pieces.
SLOW_S: Final = 3.0
_PIECES: Final = 12
_READ_BYTES: Final = 8192


async def slowly_up(http: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    """Send a request's body in pieces with pauses and return its answer."""
    body = await request.aread()

    async def pieces() -> AsyncIterator[bytes]:
        size = math.ceil(len(body) / _PIECES)
        for start in range(0, len(body), size):
            yield body[start : start + size]
            await asyncio.sleep(SLOW_S / _PIECES)

    headers = {"content-type": request.headers["content-type"], "content-length": str(len(body))}
    return await http.post(request.url, content=pieces(), headers=headers)


async def slowly_down(http: httpx.AsyncClient, link: str) -> bytes:
    """Read a file a piece at a time; return it whole."""
    read = bytearray()
    async with http.stream("GET", link) as answer:
        if answer.status_code != 200:
            return b""
        async for piece in answer.aiter_bytes(_READ_BYTES):
            read += piece
            await asyncio.sleep(SLOW_S / 40)
    return bytes(read)


async def hang_up(http: httpx.AsyncClient, request: httpx.Request, share: float) -> None:
    """Send a share of a request, less than all of it, and close the connection."""
    body = await request.aread()
    url = request.url
    lines = [f"POST {url.raw_path.decode()} HTTP/1.1", f"host: {url.host}:{url.port}"]
    lines += [f"content-type: {request.headers['content-type']}", f"content-length: {len(body)}"]
    try:
        _, writer = await asyncio.open_connection(url.host, url.port)
    except OSError:
        return
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode() + body[: int(share * (len(body) - 1))])
        await writer.drain()
        await asyncio.sleep(share)
    except OSError:
        pass
    finally:
        writer.transport.abort()
