"""Pictures and files made by hand, so that what Pillow writes is not its own oracle."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image, ImageCms

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# First column, first row, column step and row step of each pass.
ADAM7 = [
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
]


def scene(width: int = 96, height: int = 80, channels: int = 3, seed: int = 0) -> Any:
    """Smooth noise, UINT8 [H, W, channels] or [H, W]: no two rows or columns alike."""
    rng = np.random.default_rng(seed)
    shape = (height, width) if channels == 1 else (height, width, channels)
    coarse = rng.integers(0, 256, (shape[0] // 8 + 1, shape[1] // 8 + 1, *shape[2:]))
    fine = coarse.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]
    return (fine // 2 + rng.integers(0, 64, shape) + 32).astype(np.uint8)


def hole(width: int = 96, height: int = 80) -> Any:
    """A mask with one square to fill in the middle."""
    mask = np.zeros((height, width), np.uint8)
    mask[height // 3 : height // 2, width // 3 : width // 2] = 255
    return mask


def encoded(picture: Any, kind: str, **options: Any) -> bytes:
    """A file's content by Pillow; picture: an array or a Pillow image."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    sink = io.BytesIO()
    image.save(sink, kind, **options)
    return sink.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    pixels: Any, declared: tuple[int, int] | None = None, interlaced: bool = False, bits: int = 8
) -> bytes:
    """A PNG written by hand; `declared` is the (width, height) that its header claims."""
    height, width = pixels.shape[:2]
    samples = 1 if pixels.ndim == 2 else pixels.shape[2]
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[samples]
    stored = pixels.astype(">u2" if bits == 16 else np.uint8)
    rows = b""
    for column, row, across, down in ADAM7 if interlaced else [(0, 0, 1, 1)]:
        part = stored[row::down, column::across]
        if part.shape[1]:
            rows += b"".join(b"\0" + line.tobytes() for line in part)
    header = struct.pack(">IIBBBBB", *(declared or (width, height)), bits, colour, 0, 0, interlaced)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def _ifd(entries: list[tuple[int, int, int, bytes]], next_ifd: int) -> bytes:
    body = b"".join(
        struct.pack("<HHI", tag, kind, count) + value.ljust(4, b"\0")
        for tag, kind, count, value in entries
    )
    return struct.pack("<H", len(entries)) + body + struct.pack("<I", next_ifd)


def exif_with_thumbnail(orientation: int, thumbnail: bytes, note: bytes) -> bytes:
    """EXIF as a phone writes it, with size, maker's note, GPS latitude and a thumbnail in IFD 1."""
    short, long, ascii_, rational, undefined = 3, 4, 2, 5, 7
    number = "<I"
    # Offsets: header 8, then the IFDs (2 + 12 per entry + 4), then what does not fit into them.
    ifd0, exif_ifd, gps_ifd, ifd1 = 8, 8 + 54, 8 + 54 + 42, 8 + 54 + 42 + 30
    data_at = ifd1 + 42
    latitude = struct.pack("<6I", 48, 1, 8, 1, 30, 1)
    make = b"Camera of a test\0"
    blocks, offsets = b"", {}
    for name, block in (("make", make), ("note", note), ("lat", latitude), ("thumb", thumbnail)):
        offsets[name] = struct.pack(number, data_at + len(blocks))
        blocks += block + b"\0" * (len(block) % 2)
    return (
        b"Exif\0\0II*\0"
        + struct.pack(number, ifd0)
        + _ifd(
            [
                (0x010F, ascii_, len(make), offsets["make"]),
                (0x0112, short, 1, struct.pack("<H", orientation)),
                (0x8769, long, 1, struct.pack(number, exif_ifd)),
                (0x8825, long, 1, struct.pack(number, gps_ifd)),
            ],
            ifd1,
        )
        + _ifd(
            [
                (0x927C, undefined, len(note), offsets["note"]),
                (0xA002, long, 1, struct.pack(number, 96)),
                (0xA003, long, 1, struct.pack(number, 80)),
            ],
            0,
        )
        + _ifd(
            [(0x0001, ascii_, 2, b"N\0"), (0x0002, rational, 3, offsets["lat"])],
            0,
        )
        + _ifd(
            [
                (0x0103, short, 1, struct.pack("<H", 6)),
                (0x0201, long, 1, offsets["thumb"]),
                (0x0202, long, 1, struct.pack(number, len(thumbnail))),
            ],
            0,
        )
        + blocks
    )


def linear_grey_profile() -> bytes:
    """The smallest ICC profile for grey whose samples are linear light (ICC.1:2001-04)."""
    curve = b"curv" + bytes(4) + struct.pack(">IHH", 1, 0x0100, 0)
    white = b"XYZ " + bytes(4) + struct.pack(">3I", 0xF6D6, 0x10000, 0xD32D)
    text = b"text" + bytes(4) + b"none\0\0\0\0"
    tags, body = b"", b""
    for name, block in ((b"wtpt", white), (b"kTRC", curve), (b"cprt", text)):
        tags += struct.pack(">4sII", name, 128 + 4 + 36 + len(body), len(block))
        body += block
    size = 128 + 4 + len(tags) + len(body)
    header = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02400000, b"mntr", b"GRAY", b"XYZ ")
    header += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    header += struct.pack(">3I", 0xF6D6, 0x10000, 0xD32D)
    return header.ljust(128, b"\0") + struct.pack(">I", 3) + tags + body
