"""Garbage at the level of HTTP/2 frames, below any gRPC client's library."""

from __future__ import annotations

import contextlib
import random
import socket
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# What a connection is given to be answered or closed, s.
_WAIT_S: Final = 0.05
_STARTS: Final = (
    PREFACE, PREFACE[:10], b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"",
    b"POST /v2/repository/index HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
)  # fmt: skip


def garbage(seed: int, number: int) -> bytes:
    """Return what one connection brings: a start, then frames of which no few are wrong."""
    rng = random.Random(f"{seed}:frames:{number}")
    sent = rng.choice((PREFACE, PREFACE, PREFACE, rng.choice(_STARTS)))
    if rng.random() < 0.8:
        sent += _frame(4, 0, 0, b"")
    for _ in range(rng.randrange(1, 12)):
        payload = rng.randbytes(rng.choice((0, 1, 4, 5, 6, 8, 9, 64, 16_384)))
        frame = _frame(
            rng.choice((*range(10), 0xFA)),
            rng.choice((0, 1, 4, 5, 8, 0x20, 0xFF)),
            rng.choice((0, 1, 1, 2, 3, 2**31 - 1, 2**32 - 1)),
            payload,
        )
        if rng.random() < 0.2:
            # A length that is not the payload's.
            frame = rng.choice((0, 3, 16_385, 2**24 - 1)).to_bytes(3, "big") + frame[3:]
        sent += frame
    return sent


def send(host: str, port: int, seed: int, numbers: range) -> int:
    """Bring garbage to a server, a connection each; return how many it closed or reset at once.

    Args:
        host: of the server.
        port: of its gRPC.
        seed: of the run.
        numbers: of the connections.

    Raises:
        ConnectionRefusedError: nobody listens any more.
    """
    closed = 0
    for number in numbers:
        with socket.create_connection((host, port), timeout=10) as connection:
            connection.settimeout(_WAIT_S)
            with contextlib.suppress(TimeoutError):
                try:
                    connection.sendall(garbage(seed, number))
                    while connection.recv(65_536):
                        pass
                    closed += 1
                except (ConnectionResetError, BrokenPipeError):
                    closed += 1
    return closed


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big")
    return head + payload
