"""PNG's chunks: whether they hold what the header says, and what is added to them.

Pillow reads the rows it needs and asks no further.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from pawfect.contract.errors import PawfectError, invalid

_SIGNATURE_BYTES: Final = 8
_METRES_PER_INCH: Final = 0.0254
# Samples per pixel by the header's colour type, https://www.w3.org/TR/png-3/#11IHDR.
_SAMPLES: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# Adam7's passes: (first column, first row, column step, row step).
_ADAM7: Final = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
# Inflated at a time, bytes: a bomb is noticed after one piece too many.
_PIECE: Final = 2**20


def check_png_data(data: bytes, name: str) -> None:
    """Raise INVALID_ARG unless a PNG is whole and holds exactly the pixels it declares.

    Args:
        data: the file's content, its header already accepted by a decoder.
        name: what messages call it.
    """
    header = b""
    expected = inflated = 0
    inflate = zlib.decompressobj()
    for kind, body in _chunks(data, name):
        if kind == b"IHDR" and not header:
            header, expected = body, _declared_bytes(body, name)
        elif kind == b"IDAT":
            try:
                while body and inflated <= expected:
                    inflated += len(inflate.decompress(body, _PIECE))
                    body = inflate.unconsumed_tail
            except zlib.error as error:
                raise _broken(name, str(error)) from None
            if inflated > expected:
                break
    if inflated != expected:
        more = "more" if inflated > expected else f"{inflated} bytes"
        raise invalid(name, f"a PNG with the {expected} bytes of pixels that it declares", more)


def check_png_chunks(data: bytes, name: str) -> None:
    """Raise INVALID_ARG where a PNG is cut off or a checksum is wrong; nothing is inflated."""
    for _ in _chunks(data, name):
        pass


def with_chunks(data: bytes, chunks: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return a PNG with further chunks, (type, content), right behind its header."""
    end = _SIGNATURE_BYTES + 12 + 13
    return data[:end] + b"".join(_chunk(kind, body) for kind, body in chunks) + data[end:]


def metadata_chunks(
    *,
    dpi: tuple[float, float] | None = None,
    icc_profile: bytes | None = None,
    exif: bytes | None = None,
    xmp: bytes | None = None,
) -> Iterator[tuple[bytes, bytes]]:
    """Yield the chunks, (type, content), of what a picture's file says besides its pixels.

    Args:
        dpi: (across, down), pixels per inch.
        icc_profile: of RGB or grey.
        exif: with the `Exif` prefix.
        xmp: a packet.
    """
    if icc_profile:
        yield b"iCCP", b"ICC profile\0\0" + zlib.compress(icc_profile)
    if dpi:
        across, down = (round(side / _METRES_PER_INCH) for side in dpi)
        yield b"pHYs", struct.pack(">IIB", across, down, 1)
    if exif:
        yield b"eXIf", exif.removeprefix(b"Exif\0\0")
    if xmp:
        yield b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp


def has_metadata(data: bytes) -> bool:
    """Say whether a PNG may hold an orientation: in an eXIf or a text chunk."""
    return any(kind in data for kind in (b"eXIf", b"tEXt", b"zTXt", b"iTXt"))


def _chunks(data: bytes, name: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and content of each chunk to the end mark, checksums verified."""
    position = _SIGNATURE_BYTES
    while True:
        head = data[position : position + 8]
        if len(head) < 8:
            raise _broken(name, "no end mark")
        length, kind = struct.unpack(">I4s", head)
        body = data[position + 8 : position + 8 + length]
        checksum = data[position + 8 + length : position + 12 + length]
        if len(body) < length or len(checksum) < 4:
            raise _broken(name, "it ends within a chunk")
        if zlib.crc32(kind + body) != int.from_bytes(checksum, "big"):
            raise _broken(name, "a checksum is wrong")
        yield kind, body
        if kind == b"IEND":
            return
        position += 12 + length


def _chunk(kind: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def _declared_bytes(header: bytes, name: str) -> int:
    """Return how many bytes the pixels inflate to, each row's filter byte included."""
    if len(header) != 13 or header[9] not in _SAMPLES:
        raise _broken(name, "its header is no IHDR")
    width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", header)
    passes = _ADAM7 if interlace else ((0, 0, 1, 1),)
    total = 0
    for column, row, across, down in passes:
        columns = len(range(column, width, across))
        rows = len(range(row, height, down))
        if columns:
            total += rows * (1 + (columns * _SAMPLES[colour] * depth + 7) // 8)
    return total


def _broken(name: str, why: str) -> PawfectError:
    return invalid(name, "a whole PNG", f"a truncated or broken one ({why})")
