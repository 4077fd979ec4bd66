"""Writing photos: the format by the file's name, the whole file or none."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pawfect.contract.errors import invalid
from pawfect.contract.files import write_whole
from pawfect.photo.colour import Plane, in_one
from pawfect.photo.deep import encode_deep_png
from pawfect.photo.formats import FORMAT_OF_SUFFIX, FORMATS, WRITTEN
from pawfect.photo.photo import Photo
from pawfect.photo.png_data import metadata_chunks, with_chunks
from pawfect.photo.tiff_file import encode_tiff
from pawfect.photo.xmp import only_source_type

# One more generation of JPEG that the eye does not see, at about twice a phone's own file size.
# 4:4:4 because halved chroma would bleed colours over the edge of the fill and soften every pixel
# around.
JPEG_QUALITY: Final = 95
_JPEG: Final = {"subsampling": 0, "optimize": True}
_WEBP_QUALITY: Final = 95
# `exact` keeps the colours under transparent pixels, which WebP otherwise discards.
_WEBP_LOSSLESS: Final = {"lossless": True, "exact": True, "method": 2}
# AVIF's scale is another one: 90 is about JPEG's 95.
_AVIF_QUALITY: Final = 90
# Longest EXIF segment of a JPEG, a 16-bit length that counts itself, and longest XMP after the name
# that stands before it.
_MAX_JPEG_EXIF: Final = 65533
_MAX_JPEG_XMP: Final = 65502
FEWER_BITS: Final = "8 of its 16 bits per channel"


def output_format(path: Path | str) -> str:
    """Return the format, of `pawfect.photo.formats.WRITTEN`, by a file name's ending.

    Raises:
        PawfectError: INVALID_ARG for another ending.
    """
    path = Path(path)
    kind = FORMAT_OF_SUFFIX.get(path.suffix.lower())
    if kind is None:
        expected = f"a name ending in {', '.join(FORMAT_OF_SUFFIX)}"
        raise invalid(path.name, expected, path.suffix or "none")
    return kind


def check_writable(path: Path | str) -> None:
    """Raise INVALID_ARG where a file could not be written, before any work is spent on it."""
    path = Path(os.path.realpath(path))
    if path.is_dir():
        raise invalid(path.name, "the name of a file", "a folder")
    if not path.parent.is_dir():
        raise invalid(path.name, "a place in an existing folder", f"no folder {path.parent.name}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise invalid(path.name, "a place in a folder that may be written to", "a read-only one")


def check_format(photo: Photo, kind: str, name: str, *, transparent: bool | None = None) -> None:
    """Raise INVALID_ARG where a format cannot hold the photo, or what it becomes.

    A photo with transparent parts is not written as JPEG: flattening it would put a colour of our
    choice where there was none. Alpha that is opaque throughout is dropped.

    Args:
        photo: of the result's size.
        kind: one of `pawfect.photo.formats.WRITTEN`.
        name: what messages call the place of the format.
        transparent: whether the result may have transparent parts; None: as the photo has.
    """
    row = FORMATS[kind]
    if photo.has_transparency if transparent is None else transparent:
        check_holds_transparency(kind, name)
    longest = max(photo.size)
    if row.most_side is not None and longest > row.most_side:
        expected = f"sides of at most {row.most_side} px, which is where {row.title} ends"
        raise invalid(name, expected, f"{photo.size[0]}x{photo.size[1]}")


def check_holds_transparency(kind: str, name: str) -> None:
    """Raise INVALID_ARG for a format that holds none; arguments as of `check_format`."""
    row = FORMATS[kind]
    if not row.alpha:
        able = [other.suffixes[0] for other in WRITTEN.values() if other.alpha]
        expected = f"{', '.join(able[:-1])} or {able[-1]} for a photo with transparent parts"
        raise invalid(name, expected, f"{row.title}, which has no transparency")


def check_quality(quality: int | None, kind: str) -> None:
    """Raise INVALID_ARG for a quality out of 1 to 100, or for a format that has none."""
    if quality is None:
        return
    if not 1 <= quality <= 100:
        raise invalid("quality", "1 to 100", quality)
    if not FORMATS[kind].quality:
        able = ", ".join(row.title for row in WRITTEN.values() if row.quality)
        raise invalid("quality", f"one of {able}", f"{FORMATS[kind].title}, which loses nothing")


def losses(photo: Photo, kind: str) -> tuple[str, ...]:
    """Return what of a photo a format does not hold, in words for people."""
    row = FORMATS[kind]
    lost = []
    if photo.deep is not None and not row.deep:
        lost.append(FEWER_BITS)
    if photo.animated:
        lost.append("its other frames")
    if not row.metadata:
        kept = (("colour profile", photo.icc_profile), ("EXIF", photo.exif), ("XMP", photo.xmp))
        lost += [title for title, value in kept if value]
    return tuple(lost)


def encode_photo(
    photo: Photo, kind: str, quality: int | None = None, *, quickly: bool = False
) -> bytes:
    """Return the content of a photo's file.

    ICC profile, alpha, EXIF, XMP and resolution are kept where the format can hold them, grey stays
    one channel, 16 bits per channel stay 16 in PNG and TIFF. JPEG and AVIF are written with full
    chroma.

    Args:
        photo: what to write.
        kind: one of `pawfect.photo.formats.WRITTEN`.
        quality: of JPEG, WebP and AVIF, 1 to 100; None: 95, AVIF 90, and WebP without loss where
            the photo came from a lossless file.
        quickly: PNG with 8 bits at zlib's level 1: 1.0 s in place of 4.4 for 12 MP with grain, and
            17 % more bytes; a crop of 512 px grows by 3 %.

    Raises:
        PawfectError: INVALID_ARG where the format cannot hold the photo, and for a quality that it
            does not have.
    """
    check_format(photo, kind, "photo")
    check_quality(quality, kind)
    metadata: dict[str, Any] = {
        "dpi": photo.dpi,
        "icc_profile": photo.icc_profile,
        "exif": photo.exif,
        "xmp": photo.xmp,
    }
    if kind == "TIFF":
        samples = _samples(photo) if photo.deep is None else photo.deep
        return encode_tiff(samples if samples.ndim == 3 else samples[:, :, None], **metadata)
    if kind == "PNG":
        level = {"compress_level": 1} if quickly else {}
        content = (
            _by_pillow(_samples(photo), kind, **level)
            if photo.deep is None
            else encode_deep_png(photo.deep)
        )
        return with_chunks(content, metadata_chunks(**metadata))
    options = _options(photo, kind, quality) | _fitting(metadata, kind)
    return _by_pillow(_samples(photo, alpha=FORMATS[kind].alpha), kind, **options)


def _samples(photo: Photo, *, alpha: bool = True) -> Plane:
    """Return what is written: UINT8 [H, W] or [H, W, C], grey as one channel."""
    colour = in_one(photo.pixels) if photo.grey else photo.pixels
    if photo.alpha is None or not alpha:
        return colour
    return np.dstack([colour, photo.alpha])


def _options(photo: Photo, kind: str, quality: int | None) -> dict[str, Any]:
    if kind == "JPEG":
        return {"quality": quality or JPEG_QUALITY, **_JPEG}
    if kind == "AVIF":
        return {"quality": quality or _AVIF_QUALITY, "subsampling": "4:4:4"}
    if kind == "WEBP" and quality is None and photo.lossless:
        return dict(_WEBP_LOSSLESS)
    return {"quality": quality or _WEBP_QUALITY, "method": 4} if kind == "WEBP" else {}


def _fitting(metadata: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the metadata that a format can hold, as Pillow takes them."""
    fitting = {name: value for name, value in metadata.items() if value is not None}
    if kind == "JPEG":
        if len(fitting.get("exif", b"")) > _MAX_JPEG_EXIF:
            del fitting["exif"]
        if len(fitting.get("xmp", b"")) > _MAX_JPEG_XMP:
            fitting["xmp"] = only_source_type(fitting["xmp"]) or b""
    if not FORMATS[kind].metadata:
        fitting = {name: value for name, value in fitting.items() if name == "dpi"}
    return fitting


def _by_pillow(samples: Plane, kind: str, **options: Any) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(samples).save(sink, kind, **options)
    return sink.getvalue()


def plain_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return the content of a PNG without metadata.

    Args:
        pixels: UINT8 [H, W] grey, such as a mask or alpha, or [H, W, 3] RGB.
    """
    return _by_pillow(pixels, "PNG")


def save_photo(
    photo: Photo, path: Path | str, kind: str | None = None, quality: int | None = None
) -> None:
    """Write a photo; see `encode_photo` and `write_atomically`.

    Args:
        photo: what to write.
        path: where.
        kind: as in `encode_photo`; None: by the name's ending.
        quality: as in `encode_photo`.

    Raises:
        PawfectError: INVALID_ARG for another ending, a format that cannot hold the photo, or a
            place that cannot be written to.
    """
    path = Path(path)
    kind = output_format(path) if kind is None else kind
    check_format(photo, kind, path.name)
    write_atomically(path, encode_photo(photo, kind, quality))


def write_atomically(path: Path | str, data: bytes) -> None:
    """Write a file whole or not at all; INVALID_ARG where the place cannot be written to."""
    try:
        write_whole(path, data)
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise invalid(Path(path).name, "a place that can be written to", got) from None
