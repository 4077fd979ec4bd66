"""Reading image files that may be anything: by content, within the limits, whole or not at all."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image

from pawfect.contract.errors import PawfectError, invalid
from pawfect.contract.tensors import MAX_PIXELS, check_photo_size
from pawfect.photo.jpeg_data import check_jpeg_data
from pawfect.photo.png_data import check_png_chunks, check_png_data

# Formats that are read and written, by Pillow's names.
FORMATS: Final = ("JPEG", "PNG", "WEBP")
# Largest file, bytes: 50 MP of 16-bit RGBA, uncompressed, are 400 MB.
MAX_FILE_BYTES: Final = 512 * 2**20

_JPEG_END: Final = b"\xff\xd9"

# What else people have under a picture's name, by how it starts.
_OTHER_STARTS: Final = (
    (re.compile(rb"$", re.S), "an empty file"),
    (re.compile(rb"\xff\xd8\xff"), "a truncated or broken JPEG"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "a truncated or broken PNG"),
    (re.compile(rb"RIFF....WEBP", re.S), "a truncated or broken WebP"),
    (re.compile(rb"GIF8"), "a GIF"),
    (re.compile(rb"BM"), "a BMP"),
    (re.compile(rb"II\*\0|MM\0\*"), "a TIFF"),
    (re.compile(rb"....ftyp(hei|hev|mif|msf)", re.S), "a HEIC (export it as JPEG)"),
    (re.compile(rb"....ftypavi", re.S), "an AVIF"),
    (re.compile(rb"%PDF"), "a PDF"),
    (re.compile(rb"[\t\n\r\x20-\x7e]+$"), "text"),
)


@dataclass(frozen=True)
class Decoded:
    """A decoded file.

    Attributes:
        image: all its pixels loaded, as stored: not yet turned upright.
        format: JPEG, PNG or WEBP.
        lossless: whether the format kept every pixel (PNG, lossless WebP).
        stored_size: (width, height) in the file, px.
    """

    image: Image.Image
    format: str
    lossless: bool
    stored_size: tuple[int, int]


def read_file(path: Path, name: str) -> bytes:
    """Return a file's content.

    Raises:
        PawfectError: INVALID_ARG for a file that is missing, unreadable or over 512 MiB.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise invalid(name, "a readable file", error.strerror or type(error).__name__) from None
    if len(data) > MAX_FILE_BYTES:
        raise invalid(name, f"a file of at most {MAX_FILE_BYTES // 2**20} MiB", "a larger one")
    return data


def decode_file(data: bytes, name: str, *, glance: bool = False) -> Decoded:
    """Decode the content of a JPEG, PNG or WebP file, whatever its name was.

    The declared size is checked before any pixel is decoded. Of a JPEG with several pictures (MPO,
    as phones write them) the first one counts.

    Args:
        data: the file's content.
        name: what messages call it.
        glance: decode a baseline JPEG at an eighth of its size, which takes a third of the time and
            finds what is wrong with it, but for detail that its very last block lacks; other files
            as ever.

    Raises:
        PawfectError: INVALID_ARG for another format, a size out of the limits, an animation, or a
            file that is cut off, broken, or holds more or less data than its header says.
    """
    image, kind = _still(data, name)
    if kind == "PNG":
        check_png_data(data, name)
    stored = image.size
    # What a progressive file lacks at its end is finer than an eighth shows.
    if glance and kind == "JPEG" and not image.info.get("progressive"):
        image.draft(None, (1, 1))
    try:
        image.load()
    except Exception as error:  # noqa: BLE001 - decoders raise whatever a broken file leads them to
        raise invalid(name, f"a whole {kind}", f"a truncated or broken one ({error})") from None
    if kind == "JPEG":
        check_jpeg_data(data, image, name)
    lossless = kind == "PNG" or (kind == "WEBP" and _is_lossless_webp(data))
    return Decoded(image, kind, lossless, stored)


def read_header(data: bytes, name: str) -> Image.Image:
    """Return a file's image of which nothing is decoded: format, size and EXIF.

    Finds a file that is cut off by its missing end mark or checksums (JPEG, PNG), and no more:
    whether its pixels are whole only `decode_file` tells.

    Raises:
        PawfectError: INVALID_ARG for another format, a size out of the limits, an animation, or a
            file without its end.
    """
    image, kind = _still(data, name)
    if kind == "JPEG" and _JPEG_END not in data:
        raise invalid(name, "a whole JPEG", "a truncated or broken one (no end mark)")
    if kind == "PNG":
        check_png_chunks(data, name)
    return image


def _still(data: bytes, name: str) -> tuple[Image.Image, str]:
    """Return the image with its header read and nothing decoded, and its format."""
    image = _opened(data, name)
    check_photo_size(image.height, image.width, name)
    kind = "JPEG" if image.format == "MPO" else str(image.format)
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":
        raise invalid(name, "a still picture", f"an animated {kind} of {frames} frames")
    return image, kind


def _opened(data: bytes, name: str) -> Image.Image:
    """Return the image with its header read and nothing decoded."""
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        count = re.search(r"\d+", str(error))
        got = f"{int(count.group()) / 1e6:.1f} MP" if count else "more"
        raise invalid(name, f"at most {MAX_PIXELS / 1e6:.0f} MP", got) from None
    except Exception:  # noqa: BLE001 - as in decode_file
        raise _unknown(data, name) from None


def _unknown(data: bytes, name: str) -> PawfectError:
    start = data[:64]
    got = next((what for pattern, what in _OTHER_STARTS if pattern.match(start)), "something else")
    return invalid(name, "a JPEG, PNG or WebP file", got)


def _is_lossless_webp(data: bytes) -> bool:
    """Say whether the picture's chunk is VP8L; https://developers.google.com/speed/webp/docs/riff_container."""
    position = 12
    while position + 8 <= len(data):
        chunk, size = data[position : position + 4], data[position + 4 : position + 8]
        if chunk in (b"VP8L", b"VP8 "):
            return chunk == b"VP8L"
        length = int.from_bytes(size, "little")
        position += 8 + length + length % 2
    return False
