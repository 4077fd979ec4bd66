"""How long a GGUF file is by its own header; without the gguf package, which only servers need.

The layout is that of the GGUF specification, versions 2 and 3, little-endian.
"""

from __future__ import annotations

import math
import struct
from types import MappingProxyType
from typing import BinaryIO, Final

MAGIC: Final = b"GGUF"
_VERSIONS: Final = (2, 3)
# Bytes of a metadata value of fixed size, by its type.
_VALUES: Final = MappingProxyType(
    {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
)
_UINT32, _STRING, _ARRAY = 4, 8, 9
_ALIGNMENT_KEY: Final = b"general.alignment"
_ALIGNMENT: Final = 32
# More dimensions than ggml has (4) are no header.
_DIMENSIONS: Final = 8
# Values in a block of ggml's types, and the block's bytes. Of other types the end is not known.
BLOCKS: Final = MappingProxyType(
    {
        0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
        10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
        15: (256, 292), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 30: (1, 2),
    }
)  # fmt: skip


class GgufCutOffError(Exception):
    """The file ends within its header."""


def gguf_size(file: BinaryIO) -> int:
    """Return how many bytes a GGUF file has at least, by its header.

    Args:
        file: at its start; seekable.

    Raises:
        GgufCutOffError: it ends within the header.
        ValueError: it is no GGUF file of a known version.
    """
    if file.read(4) != MAGIC:
        raise ValueError("expected GGUF's magic")
    (version,) = _read(file, "<I")
    if version not in _VERSIONS:
        raise ValueError(f"expected version {_VERSIONS}, got {version}")
    tensors, pairs = _read(file, "<QQ")
    alignment = _ALIGNMENT
    for _ in range(pairs):
        alignment = _pair(file) or alignment
    ends = [_tensor_end(file) for _ in range(tensors)]
    start = math.ceil(file.tell() / alignment) * alignment
    return start + max(ends, default=0)


def _pair(file: BinaryIO) -> int | None:
    """Pass over a key and its value; return the value where it is the alignment."""
    key = _string(file)
    (kind,) = _read(file, "<I")
    if key == _ALIGNMENT_KEY and kind == _UINT32:
        (alignment,) = _read(file, "<I")
        return int(alignment)
    _pass_value(file, kind)
    return None


def _pass_value(file: BinaryIO, kind: int) -> None:
    if kind == _STRING:
        _string(file)
        return
    if kind == _ARRAY:
        of, count = _read(file, "<IQ")
        if of in _VALUES:
            _pass(file, count * _VALUES[of])
            return
        for _ in range(count):
            _pass_value(file, of)
        return
    if kind not in _VALUES:
        raise ValueError(f"expected a known type of value, got {kind}")
    _pass(file, _VALUES[kind])


def _tensor_end(file: BinaryIO) -> int:
    """Return where a tensor's data ends, bytes from the data's start; at least where it starts."""
    _string(file)
    (count,) = _read(file, "<I")
    if count > _DIMENSIONS:
        raise ValueError(f"expected up to {_DIMENSIONS} dimensions, got {count}")
    *shape, kind, offset = _read(file, f"<{count}QIQ")
    block, size = BLOCKS.get(kind, (1, 0))
    return int(offset + math.prod(shape) // block * size)


def _string(file: BinaryIO) -> bytes:
    (length,) = _read(file, "<Q")
    start = file.tell()
    _pass(file, length)
    if length != len(_ALIGNMENT_KEY):
        return b""
    file.seek(start)
    return file.read(length)


def _pass(file: BinaryIO, count: int) -> None:
    """Go on by so many bytes, which must be there."""
    if count > 0:
        try:
            file.seek(count - 1, 1)
        except (OSError, OverflowError):
            # Beyond what a file can have here; how far that is depends on the file system.
            raise GgufCutOffError from None
        if not file.read(1):
            raise GgufCutOffError


def _read(file: BinaryIO, form: str) -> tuple[int, ...]:
    wanted = struct.calcsize(form)
    content = file.read(wanted)
    if len(content) < wanted:
        raise GgufCutOffError
    return struct.unpack(form, content)
