"""Requests as prepared bytes over plain sockets: a client that leaves the cores to the server."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_BOUNDARY: Final = "pawfect-load-boundary"
_END: Final = b"\r\n\r\n"


@dataclass(frozen=True)
class Part:
    """One file of a form."""

    filename: str
    content_type: str
    data: bytes


def form(host: str, path: str, parts: Mapping[str, Part]) -> bytes:
    """Return a POST of a form with files, as it goes over the wire."""
    body = b"".join(
        f"--{_BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; "
        f"filename=\"{part.filename}\"\r\nContent-Type: {part.content_type}\r\n\r\n".encode()
        + part.data
        + b"\r\n"
        for name, part in parts.items()
    ) + f"--{_BOUNDARY}--\r\n".encode()  # fmt: skip
    return _post(host, path, f"multipart/form-data; boundary={_BOUNDARY}", body)


def stored(host: str, path: str, order: Mapping[str, str]) -> bytes:
    """Return a POST of a JSON object, as it goes over the wire."""
    return _post(host, path, "application/json", json.dumps(order).encode())


def _post(host: str, path: str, content_type: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Exchange(asyncio.Protocol):
    """One request and its answer over a connection of its own."""

    def __init__(self) -> None:
        self._data = b""
        self.ended: asyncio.Future[tuple[int, float]] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, found, body = self._data.partition(_END)
        if not found or self.ended.done():
            return
        lines = head.split(b"\r\n")
        lengths = [line for line in lines if line.lower().startswith(b"content-length:")]
        if lengths and len(body) >= int(lengths[0].split(b":")[1]):
            self.ended.set_result((int(lines[0].split()[1]), time.perf_counter()))

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(ConnectionError(f"lost: {error}"))


async def sent(
    host: str, port: int, requests: Sequence[bytes], pause_s: float
) -> tuple[list[float], float]:
    """Send requests over open connections, one every `pause_s`, however long each takes.

    Returns:
        Milliseconds of each from its first byte sent to its whole answer, and this client's own
        CPU time meanwhile, ms.

    Raises:
        RuntimeError: an answer other than 202.
        ConnectionError: a connection that ended without one.
    """
    loop = asyncio.get_running_loop()
    exchanges = [(await loop.create_connection(_Exchange, host, port))[1] for _ in requests]
    cpu, starts = time.process_time(), []
    for exchange, request in zip(exchanges, requests, strict=True):
        assert exchange.transport is not None
        starts.append(time.perf_counter())
        exchange.transport.write(request)
        if pause_s:
            await asyncio.sleep(pause_s)
    answers = await asyncio.gather(*(exchange.ended for exchange in exchanges))
    cpu_ms = (time.process_time() - cpu) * 1000
    for exchange in exchanges:
        if exchange.transport is not None:
            exchange.transport.close()
    others = sorted({status for status, _ in answers} - {202})
    if others:
        raise RuntimeError(f"expected 202, got {others}")
    return [(end - begun) * 1000 for (_, end), begun in zip(answers, starts, strict=True)], cpu_ms
