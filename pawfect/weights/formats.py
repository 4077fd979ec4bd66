"""What a file of weights is by its own bytes: headers are read, nothing is loaded, nothing runs.

A download that ended early, a web page or a pointer under the name of the file is told apart here,
in its own words, before anything is hashed or copied.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final

from pawfect.weights.gguf_header import GgufCutOffError, gguf_size

# How a pickle starts: protocols 2 to 5, or the zip archive that torch.save wraps one in.
PICKLE_STARTS: Final = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")
# The first line of the file that stands for one in Git LFS (its specification, version 1).
_LFS_START: Final = b"version https://git-lfs.github.com/spec/"
_PAGE_STARTS: Final = (b"<!doctype html", b"<html", b"<head", b"<body")
_ARCHIVE_STARTS: Final = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"(\xb5/\xfd", b"7z\xbc\xaf")
# Bytes that tell all of these.
_START: Final = 512
# Longest header that the safetensors library reads, bytes.
_SAFETENSORS_HEADER: Final = 100_000_000
# Longest JSON file that is read: tokenisers have up to some 40 MB; longer ones are something else.
_JSON_BYTES: Final = 256 * 2**20
# Fields of ONNX's ModelProto that every model has: ir_version, graph and opset_import.
_ONNX_FIELDS: Final = frozenset({1, 7, 8})
# Bytes of protobuf's values of fixed size, by wire type.
_WIRE_SIZES: Final = MappingProxyType({1: 8, 5: 4})
_VARINT, _WITH_LENGTH = 0, 2


def mistaken(path: Path, name: str) -> str | None:
    """Say what a file is instead of what its name promises; None where nothing speaks against it.

    Args:
        path: the file.
        name: of the file in its entry; the suffix is what it promises: `.safetensors`, `.gguf`,
            `.onnx` and `.json` are read, of any other only its start.

    Raises:
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(_START)
        other = _by_start(start, size)
        if other:
            return other
        file.seek(0)
        suffix = Path(name).suffix
        reading = _READERS.get(suffix)
        if reading is None:
            return None
        problem = reading(file, size)
    # Servers put their refusals in plain words under the file's name.
    if problem == _OTHER and suffix != ".json" and (words := _words(start)):
        return f"text, not weights: {words!r}"
    return problem


def is_pickle(path: Path) -> bool:
    """Say whether a file starts as pickles do, which may run code when they are loaded."""
    try:
        with path.open("rb") as file:
            return file.read(4).startswith(PICKLE_STARTS)
    except OSError:
        return False


def _by_start(start: bytes, size: int) -> str | None:
    plain = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not size:
        return "an empty file"
    if start.startswith(_LFS_START):
        return "a Git LFS pointer, which only stands for the file (`git lfs pull` brings it)"
    if plain.startswith(_PAGE_STARTS):
        return "a web page (HTML), such as a login or an error in place of the download"
    if plain.startswith(b"<?xml"):
        return "an XML message, such as a store's refusal in place of the download"
    if start.startswith(PICKLE_STARTS):
        return "a pickle, which may run code when it is loaded; none is ever taken"
    if start.startswith(_ARCHIVE_STARTS) or start[257:262] == b"ustar":
        return "an archive; unpack it first"
    return None


_OTHER: Final = "something else"


def _words(start: bytes) -> str:
    """Return the first line of a text for a message; empty where it is no text."""
    first = start.split(b"\n", 1)[0][:80]
    return first.decode("ascii").strip() if first.isascii() and _printable(first) else ""


def _printable(text: bytes) -> bool:
    return bool(text) and all(32 <= byte < 127 or byte in b"\t\r" for byte in text)


def _compared(size: int, whole: int, *, exact: bool) -> str | None:
    if size < whole:
        return f"only {size} of the {whole} bytes that its header tells of: it was cut off"
    if exact and size > whole:
        return f"{size - whole} bytes more than its header tells of"
    return None


def _safetensors(file: BinaryIO, size: int) -> str | None:
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or not 2 <= length <= _SAFETENSORS_HEADER:
        return _OTHER
    text = file.read(length)
    if not text.startswith(b"{"):
        return _OTHER
    if len(text) < length:
        return _compared(size, 8 + length, exact=True)
    try:
        header = json.loads(text)
        ends = [int(row["data_offsets"][1]) for key, row in header.items() if key[:2] != "__"]
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError):
        return "a damaged header"
    return _compared(size, 8 + length + max(ends, default=0), exact=True)


def _gguf(file: BinaryIO, size: int) -> str | None:
    try:
        whole = gguf_size(file)
    except GgufCutOffError:
        return f"only {size} bytes, which end within its own header: it was cut off"
    except RecursionError:
        return "a damaged header"
    except ValueError:
        return _OTHER
    # Writers may fill up the end to the alignment.
    return _compared(size, whole, exact=False)


def _onnx(file: BinaryIO, size: int) -> str | None:
    """Walk over the message's own fields; none but their numbers and lengths is read."""
    seen = set()
    try:
        while file.tell() < size:
            number, wire = divmod(_varint(file), 8)
            seen.add(number)
            if wire == _VARINT:
                _varint(file)
                continue
            if number == 0 or (wire != _WITH_LENGTH and wire not in _WIRE_SIZES):
                return _OTHER
            length = _WIRE_SIZES.get(wire) or _varint(file)
            end = file.tell() + length
            if end > size:
                return _compared(size, end, exact=False) if 1 in seen else _OTHER
            file.seek(end)
    except EOFError:
        return "a file that ends within a field: it was cut off" if 1 in seen else _OTHER
    return None if seen >= _ONNX_FIELDS else _OTHER


def _varint(file: BinaryIO) -> int:
    """Read protobuf's integer of 1 to 10 bytes; EOFError where it does not end."""
    value = 0
    for place in range(10):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << (7 * place)
        if byte[0] < 0x80:
            return value
    raise EOFError


def _json(file: BinaryIO, size: int) -> str | None:
    if size > _JSON_BYTES:
        return _OTHER
    try:
        json.loads(file.read())
    except (ValueError, RecursionError) as error:
        return f"no JSON ({type(error).__name__})"
    return None


_READERS: Final[Mapping[str, Callable[[BinaryIO, int], str | None]]] = MappingProxyType(
    {".safetensors": _safetensors, ".gguf": _gguf, ".onnx": _onnx, ".json": _json}
)
