"""What a graph's initializers hold, read of an ONNX file's bytes: no package, no copy of the file.

The messages of onnx.proto that are walked: ModelProto (graph: 7), GraphProto (initializer: 5),
TensorProto (dims: 1, data_type: 2, float_data: 4, raw_data: 9, data_location: 14).
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_GRAPH: Final = 7
_INITIALIZER: Final = 5
_DIMS, _DATA_TYPE, _FLOAT_DATA, _RAW_DATA, _DATA_LOCATION = 1, 2, 4, 9, 14
# TensorProto.DataType, as its raw data lies.
_DTYPES: Final[Mapping[int, np.dtype[Any]]] = {1: np.dtype("<f4"), 10: np.dtype("<f2")}
# Of protobuf's wire types, those that are there.
_VARINT, _EIGHT, _WITH_LENGTH, _FOUR = 0, 1, 2, 5
_SIZES: Final = {_EIGHT: 8, _FOUR: 4}

# A field: its number, and its integer or where in the file it lies.
_Field = tuple[int, int | range]


def last_initializer(path: Path) -> NDArray[np.float32]:
    """Return the last initializer of a file's graph, of 32 or 16 bits.

    Raises:
        ValueError: there is none, it is of another type or outside of the file, or the file is
            damaged.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        last = None
        for number, at in _fields(data, range(len(data))):
            if number == _GRAPH and isinstance(at, range):
                rows = (row for n, row in _fields(data, at) if n == _INITIALIZER)
                last = next(reversed([row for row in rows if isinstance(row, range)]), last)
        if last is None:
            raise ValueError("a graph without initializers")
        return _tensor(data, last)


def _tensor(data: mmap.mmap, at: range) -> NDArray[np.float32]:
    dims: list[int] = []
    dtype, content = 0, b""
    for number, value in _fields(data, at):
        if number == _DIMS:
            dims += [value] if isinstance(value, int) else _varints(data, value)
        elif number == _DATA_TYPE and isinstance(value, int):
            dtype = value
        elif number == _DATA_LOCATION and value:
            raise ValueError("an initializer in a file of its own")
        elif number in (_FLOAT_DATA, _RAW_DATA) and isinstance(value, range):
            content = data[value.start : value.stop]
    if dtype not in _DTYPES:
        raise ValueError(f"an initializer of type {dtype}")
    if math.prod(dims) * _DTYPES[dtype].itemsize != len(content):
        raise ValueError(f"an initializer of {len(content)} bytes for {dims}")
    return np.frombuffer(content, _DTYPES[dtype]).reshape(dims).astype(np.float32)


def _fields(data: mmap.mmap, at: range) -> Iterator[_Field]:
    """Walk over a message's own fields."""
    place = at.start
    while place < at.stop:
        key, place = _varint(data, place, at.stop)
        number, wire = divmod(key, 8)
        if wire == _VARINT:
            value, place = _varint(data, place, at.stop)
            yield number, value
            continue
        if wire == _WITH_LENGTH:
            length, place = _varint(data, place, at.stop)
        elif wire in _SIZES:
            length = _SIZES[wire]
        else:
            raise ValueError(f"a field of wire type {wire}")
        if place + length > at.stop:
            raise ValueError("a field that ends after its message")
        yield number, range(place, place + length)
        place += length


def _varints(data: mmap.mmap, at: range) -> list[int]:
    values, place = [], at.start
    while place < at.stop:
        value, place = _varint(data, place, at.stop)
        values.append(value)
    return values


def _varint(data: mmap.mmap, place: int, end: int) -> tuple[int, int]:
    """Read protobuf's integer of 1 to 10 bytes; return it and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= end:
            break
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("an integer that does not end")
