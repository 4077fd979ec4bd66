"""Reading image files that may be anything: by content, within the limits, whole or not at all."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pi_heif
from PIL import Image, TiffImagePlugin

from pawfect.contract.errors import PawfectError, invalid
from pawfect.contract.tensors import MAX_PIXELS, check_photo_size
from pawfect.photo.colour import check_mode
from pawfect.photo.deep import is_deep
from pawfect.photo.exif import orientation_of
from pawfect.photo.formats import FORMATS, READ, what_starts_so
from pawfect.photo.heif_data import check_heif_items
from pawfect.photo.jpeg_data import check_jpeg_data, with_end_mark
from pawfect.photo.png_data import check_png_chunks, check_png_data
from pawfect.photo.tiff_data import check_tiff_data

# Largest file, bytes: 110 MP of 16-bit RGBA, uncompressed, are 880 MB.
MAX_FILE_BYTES: Final = 1024 * 2**20
# How the content of HEIC and AVIF starts, behind a length.
_BOX: Final = b"ftyp"
_JPEG_END: Final = b"\xff\xd9"
# TIFF 6.0: a page that is another one made smaller, as editors add for their own display.
_SUBFILE: Final = 254
_REDUCED: Final = 1

pi_heif.register_heif_opener(thumbnails=False)
# Pillow warns at 89 MP, and refuses twice as many.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS


@dataclass(frozen=True)
class Decoded:
    """A decoded file.

    Attributes:
        image: all its pixels loaded, with 8 bits per channel of those that have 16 in several
            channels; as stored, not yet turned upright, but for TIFF.
        format: one of `pawfect.photo.formats.FORMATS`.
        lossless: whether the format kept every pixel.
        stored_size: (width, height) in the file, px.
        orientation: EXIF's, 1 to 8: how the stored picture is to be turned.
        animated: whether the file is an animation, of which this is the first frame.
        deep: whether the file has 16 bits per channel; `pawfect.photo.deep` reads them.
    """

    image: Image.Image
    format: str
    lossless: bool
    stored_size: tuple[int, int]
    orientation: int
    animated: bool
    deep: bool


@dataclass(frozen=True)
class Header:
    """What a file's header says.

    Attributes:
        image: of which nothing is decoded.
        format: one of `pawfect.photo.formats.FORMATS`.
        stored_size: (width, height) in the file, px.
    """

    image: Image.Image
    format: str
    stored_size: tuple[int, int]


def read_file(path: Path, name: str) -> bytes:
    """Return a file's content.

    Raises:
        PawfectError: INVALID_ARG for a file that is missing, unreadable or over 1 GiB.
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
    """Decode the content of a file of any format of `FORMATS`, whatever its name was.

    The declared size is checked before any pixel is decoded. Of a JPEG with several pictures (MPO,
    as phones write them), a HEIC and an animated GIF the first one counts. A JPEG that lacks only
    its end mark is read as if it were there.

    Args:
        data: the file's content.
        name: what messages call it.
        glance: decode a baseline JPEG at an eighth of its size, which takes a third of the time and
            finds what is wrong with it, but for detail that its very last block lacks; other files
            as ever.

    Raises:
        PawfectError: INVALID_ARG for another format, a size out of the limits, an animation or
            several pages, or a file that is cut off, broken, or holds more or less data than its
            header says.
    """
    data = with_end_mark(data)
    header = _header(data, name)
    image, kind = header.image, header.format
    if kind == "PNG":
        check_png_data(data, name)
    # What a progressive file lacks at its end is finer than an eighth shows.
    if glance and kind == "JPEG" and not image.info.get("progressive"):
        image.draft(None, (1, 1))
    tiff = isinstance(image, TiffImagePlugin.TiffImageFile)
    # Pillow turns a TIFF as it loads it, and finds a PNG's EXIF behind its pixels.
    turn = orientation_of(image) if tiff else None
    try:
        image.load()
    except Exception as error:  # noqa: BLE001 - decoders raise whatever a broken file leads them to
        title = FORMATS[kind].title
        raise invalid(name, f"a whole {title}", f"a truncated or broken one ({error})") from None
    if kind == "JPEG":
        check_jpeg_data(data, image, name)
    else:
        # Some libraries find out what a file holds only as they decode it.
        check_photo_size(image.height, image.width, name)
    check_mode(image, name)
    known = FORMATS[kind].lossless
    lossless = _is_lossless_webp(data) if known is None else known
    animated = kind == "GIF" and _is_animated(data)
    deep = is_deep(data, image)
    turn = orientation_of(image) if turn is None else turn
    return Decoded(image, kind, lossless, header.stored_size, turn, animated, deep)


def read_header(data: bytes, name: str) -> Header:
    """Return what a file's header says; no more is decoded than a JPEG without any end mark.

    Finds a file that is cut off by its missing end mark or checksums (JPEG, PNG), and no more:
    whether its pixels are whole only `decode_file` tells.

    Raises:
        PawfectError: INVALID_ARG for another format, a size out of the limits, an animation or
            several pages, or a file without its end.
    """
    header = _header(data, name)
    if header.format == "JPEG" and _JPEG_END not in data:
        decode_file(data, name, glance=True)
    if header.format == "PNG":
        check_png_chunks(data, name)
    return header


def declared_pixels(data: bytes) -> int:
    """Return how many pixels a file's header declares; 0 for a file that will be refused by it."""
    try:
        image = _opened(data, "file")
    except PawfectError:
        return 0
    pixels = image.width * image.height
    return pixels if pixels <= MAX_PIXELS else 0


def _header(data: bytes, name: str) -> Header:
    """Return the header of a file of one still picture within the limits."""
    image = _opened(data, name)
    check_photo_size(image.height, image.width, name)
    kind = "JPEG" if image.format == "MPO" else str(image.format)
    stored = image.size
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        _check_tiff(image, name)
        # Pillow gives the size as it is seen.
        stored = (image.tag_v2[256], image.tag_v2[257])
    elif not FORMATS[kind].several and (frames := getattr(image, "n_frames", 1)) > 1:
        got = f"an animated {FORMATS[kind].title} of {frames} frames"
        raise invalid(name, "a still picture", got)
    return Header(image, kind, stored)


def _check_tiff(image: TiffImagePlugin.TiffImageFile, name: str) -> None:
    """Raise INVALID_ARG for a TIFF of several pages, and for one that lacks parts."""
    try:
        _check_pages(image, name)
        check_tiff_data(image, name)
    except PawfectError:
        raise
    except Exception as error:  # noqa: BLE001 - as in decode_file
        raise invalid(name, "a whole TIFF", f"a truncated or broken one ({error})") from None


def _check_pages(image: TiffImagePlugin.TiffImageFile, name: str) -> None:
    """Raise INVALID_ARG for a second page that is not another one made smaller."""
    page = 0
    while True:
        page += 1
        try:
            image.seek(page)
        except EOFError:
            break
        if not image.tag_v2.get(_SUBFILE, 0) & _REDUCED:
            raise invalid(name, "a single picture", "a TIFF of several pages")
    image.seek(0)


def _opened(data: bytes, name: str) -> Image.Image:
    """Return the image with its header read and nothing decoded."""
    if data[4:8] == _BOX:
        check_heif_items(data, name)
    try:
        return Image.open(io.BytesIO(data), formats=tuple(FORMATS))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        count = re.search(r"\d+", str(error))
        got = f"{int(count.group()) / 1e6:.1f} MP" if count else "more"
        raise invalid(name, f"at most {MAX_PIXELS / 1e6:.0f} MP", got) from None
    except Exception:  # noqa: BLE001 - as in decode_file
        raise invalid(name, READ, what_starts_so(data)) from None


def _is_animated(gif: bytes) -> bool:
    """Say whether a GIF has a second frame, whole or not."""
    try:
        # By itself: looking further moves Pillow on from the first one.
        return bool(getattr(Image.open(io.BytesIO(gif), formats=("GIF",)), "is_animated", False))
    except Exception:  # noqa: BLE001 - as in decode_file
        return True


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
