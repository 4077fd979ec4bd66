"""A TCP relay whose connections can be cut."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from perf.local_server import HOST, free_ports

_CHUNK: Final = 65_536


class Relay:
    """Passes bytes between clients and one address until it is cut.

    Args:
        target: HOST:PORT of what stands behind.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = host, int(port)
        self._port = free_ports(1)[0]
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def address(self) -> str:
        """HOST:PORT for the clients."""
        return f"{HOST}:{self._port}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Relay]:
        """Listen for the length of the block."""
        await self._listen()
        try:
            yield self
        finally:
            await self._close()

    async def cut(self, seconds: float) -> int:
        """Break all connections, refuse new ones for so long; return how many broke."""
        broken = len(self._open) // 2
        await self._close()
        await asyncio.sleep(seconds)
        await self._listen()
        return broken

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._pass_on, HOST, self._port)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            writer.transport.abort()
        self._open.clear()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, far_writer}
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        self._open -= {writer, far_writer}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()
