"""Hostile bytes, made from good ones."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Final

# Where lengths, counts and offsets turn: zero, signs, and the ends of each width.
INTEGERS: Final = (
    0, 1, 2, 3, 7, 8, 15, 16, 127, 128, 255, 256, 32_767, 32_768, 65_535, 65_536,
    2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**48, 2**62, 2**63 - 1, 2**63, 2**64 - 1,
)  # fmt: skip
# Longest result, bytes: what is hostile is the form; sizes have their own tests.
MOST: Final = 1 << 20
_PNG: Final = b"\x89PNG\r\n\x1a\n"


def mutated(
    rng: random.Random, good: Sequence[bytes], tokens: Sequence[bytes], most: int = MOST
) -> bytes:
    """Return one of some good inputs with one to eight things done to it.

    Args:
        rng: decides.
        good: inputs to start from.
        tokens: pieces that mean something in this format.
        most: longest result, bytes.
    """
    data = bytearray(rng.choice(good))
    for _ in range(rng.choice((1, 1, 2, 3, 5, 8))):
        if rng.random() < 0.15:
            data = _spliced(rng, data, rng.choice(good))
        elif tokens and rng.random() < 0.4:
            _put(rng, data, rng.choice(tokens))
        else:
            rng.choice(_STEPS)(rng, data)
    return bytes(data[:most])


def with_right_sums(data: bytes) -> bytes:
    """Return a PNG whose chunks have the checksums of what they hold; other bytes as they are.

    What was changed in a chunk is then read, and not only its sum.
    """
    if not data.startswith(_PNG):
        return data
    made, at = bytearray(_PNG), len(_PNG)
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        body = data[at + 4 : at + 8 + length]
        made += data[at : at + 4] + body
        at += 12 + length
        if len(body) < 4 + length:
            break
        made += struct.pack(">I", zlib.crc32(body))
    return bytes(made)


def _place(rng: random.Random, data: bytearray) -> int:
    # Half of all near the start, where headers are.
    return rng.randrange(min(len(data), 128) if rng.random() < 0.5 else len(data)) if data else 0


def _cut(rng: random.Random, data: bytearray) -> None:
    del data[_place(rng, data) :]


def _flip(rng: random.Random, data: bytearray) -> None:
    if data:
        data[_place(rng, data)] ^= 1 << rng.randrange(8)


def _byte(rng: random.Random, data: bytearray) -> None:
    if data:
        data[_place(rng, data)] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))


def _number(rng: random.Random, data: bytearray) -> None:
    width = rng.choice((1, 2, 4, 8))
    value = rng.choice(INTEGERS) % (1 << 8 * width)
    at = _place(rng, data)
    data[at : at + width] = value.to_bytes(width, "little" if rng.random() < 0.5 else "big")


def _delete(rng: random.Random, data: bytearray) -> None:
    at = _place(rng, data)
    del data[at : at + rng.choice((1, 2, 4, 16, 256))]


def _insert(rng: random.Random, data: bytearray) -> None:
    at = _place(rng, data)
    data[at:at] = rng.randbytes(rng.choice((1, 2, 4, 16, 256)))


def _repeat(rng: random.Random, data: bytearray) -> None:
    at = _place(rng, data)
    piece = bytes(data[at : at + rng.choice((1, 8, 64, 512))])
    data[at:at] = piece * rng.choice((1, 2, 16, 200))


def _zero(rng: random.Random, data: bytearray) -> None:
    at = _place(rng, data)
    end = min(at + rng.choice((2, 16, 256)), len(data))
    data[at:end] = bytes(end - at)


def _put(rng: random.Random, data: bytearray, token: bytes) -> None:
    at = _place(rng, data)
    data[at : at + rng.choice((0, len(token)))] = token


def _spliced(rng: random.Random, data: bytearray, other: bytes) -> bytearray:
    return data[: _place(rng, data)] + other[rng.randrange(len(other) + 1) :]


_STEPS: Final[Sequence[Callable[[random.Random, bytearray], None]]] = (
    _cut, _flip, _flip, _flip, _byte, _byte, _number, _number, _delete, _insert, _repeat, _zero,
)  # fmt: skip
