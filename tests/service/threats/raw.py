"""Bytes sent to the API as they are, and what comes back."""

from __future__ import annotations

import asyncio
from typing import Final

from tests.service.stack import Stack

# Longer than anything that a test waits for takes.
PATIENCE_S: Final = 8.0


class Raw:
    """One connection to an API."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer

    @classmethod
    async def to(cls, stack: Stack) -> Raw:
        """Connect."""
        port = stack.http.base_url.port
        assert port is not None
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def send(self, data: bytes) -> None:
        """Send bytes; a connection that has ended takes them too."""
        if not self.writer.is_closing():
            self.writer.write(data)

    async def head(self) -> bytes:
        """The next answer's head."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._reader.readuntil(b"\r\n\r\n")

    async def rest(self) -> bytes:
        """Everything until the API ends the connection."""
        data = b""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while piece := await self._reader.read(65536):
                    data += piece
        except ConnectionError:
            pass
        finally:
            self.writer.close()
        return data


async def told(stack: Stack, data: bytes) -> bytes:
    """What the API answers to bytes, until it ends the connection."""
    raw = await Raw.to(stack)
    raw.send(data)
    return await raw.rest()
