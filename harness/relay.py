"""A TCP relay whose connections can be cut or stalled."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from hyperframe.frame import DataFrame, Frame, HeadersFrame, RstStreamFrame

from harness.local_server import HOST, free_ports

_CHUNK: Final = 65_536
_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEADER: Final = 9


class ClientFrames:
    """Cuts an HTTP/2 client's bytes into whole frames and keeps the streams that it has not ended.

    RFC 9113, 4 and 6.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._preface_left = len(_PREFACE)
        self._open: set[int] = set()

    def whole(self, data: bytes) -> bytes:
        """Return what of all bytes so far, and not yet returned, is whole frames."""
        self._rest += data
        end = min(self._preface_left, len(self._rest))
        self._preface_left -= end
        while not self._preface_left and len(self._rest) >= end + _HEADER:
            frame, size = Frame.parse_frame_header(memoryview(self._rest[end : end + _HEADER]))
            if len(self._rest) < end + _HEADER + size:
                break
            if isinstance(frame, HeadersFrame):
                self._open.add(frame.stream_id)
            if isinstance(frame, RstStreamFrame) or "END_STREAM" in frame.flags:
                self._open.discard(frame.stream_id)
            end += _HEADER + size
        frames, self._rest = self._rest[:end], self._rest[end:]
        return frames

    def ends(self) -> bytes:
        """Return the empty DATA frames that end what is open."""
        ends = (DataFrame(stream, flags=["END_STREAM"]) for stream in sorted(self._open))
        return b"".join(frame.serialize() for frame in ends)


class Relay:
    """Passes bytes between clients and one address until it is cut.

    The Pub/Sub emulator (0.8.20) does not see that a client's connection is gone: it goes on giving
    messages to the streams of the dead, each for a whole acknowledgement deadline. A real service
    is expected to end them with the connection; `ends` makes up for that.

    Args:
        target: HOST:PORT of what stands behind.
        ends: whether the clients speak HTTP/2, and streams that one leaves open when its
            connection breaks are ended behind the relay.
    """

    def __init__(self, target: str, ends: bool = False) -> None:
        host, _, port = target.rpartition(":")
        self._target = host, int(port)
        self._ends = ends
        self._port = free_ports(1)[0]
        self._server: asyncio.Server | None = None
        self._moving = asyncio.Event()
        self._moving.set()
        self._passing: set[asyncio.Task[None]] = set()
        self._passed = 0

    @property
    def passed(self) -> int:
        """Bytes passed on so far, both ways together."""
        return self._passed

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
        broken = await self._close()
        await asyncio.sleep(seconds)
        await self._listen()
        return broken

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """Accept and keep connections for the length of the block, and pass nothing on."""
        self._moving.clear()
        try:
            yield
        finally:
            self._moving.set()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, HOST, self._port)

    async def _close(self) -> int:
        if self._server is not None:
            self._server.close()
            self._server = None
        passing = list(self._passing)
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)
        return len(passing)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of our own: asyncio's, for a coroutine here, reports it when it is cancelled.
        task = asyncio.create_task(self._pass_on(reader, writer))
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        frames = ClientFrames() if self._ends else None
        ways = {
            asyncio.create_task(self._copy(reader, far_writer, frames)),
            asyncio.create_task(self._copy(far_reader, writer)),
        }
        try:
            # Without HTTP/2 a side may end what it sends, and still listen.
            first = asyncio.FIRST_COMPLETED if frames else asyncio.ALL_COMPLETED
            await asyncio.wait(ways, return_when=first)
        finally:
            for way in ways:
                way.cancel()
            writer.transport.abort()
            if frames:
                # Written before it closes; aborted would lose them.
                far_writer.write(frames.ends())
                far_writer.close()
            else:
                far_writer.transport.abort()

    async def _copy(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        frames: ClientFrames | None = None,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._moving.wait()
                self._passed += len(data)
                writer.write(frames.whole(data) if frames else data)
                await writer.drain()
            if not frames:
                writer.close()
