"""Writing photos: the format by the file's name, the whole file or none."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from pawfect.contract.errors import invalid
from pawfect.contract.files import write_whole
from pawfect.photo.photo import Photo

FORMAT_OF_SUFFIX: Final = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}

# One more generation of JPEG that the eye does not see, at about twice a phone's own file size.
# 4:4:4 because halved chroma would bleed colours over the edge of the fill and soften every pixel
# around.
JPEG_QUALITY: Final = 95
_JPEG: Final = {"subsampling": 0, "optimize": True}
_WEBP_LOSSY: Final = {"quality": 95, "method": 4}
# `exact` keeps the colours under transparent pixels, which WebP otherwise discards.
_WEBP_LOSSLESS: Final = {"lossless": True, "exact": True, "method": 2}
# Longest EXIF segment of a JPEG: a 16-bit length that counts itself.
_MAX_JPEG_EXIF: Final = 65533


def output_format(path: Path | str) -> str:
    """Return JPEG, PNG or WEBP by a file name's ending; INVALID_ARG for another one."""
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


def check_format(photo: Photo, kind: str, name: str) -> None:
    """Raise INVALID_ARG where a format cannot hold the photo.

    A photo with transparent parts is not written as JPEG: flattening it would put a colour of our
    choice where there was none. Alpha that is opaque throughout is dropped.
    """
    if kind == "JPEG" and photo.alpha is not None and photo.alpha.min() < 255:
        expected = ".png or .webp for a photo with transparent parts"
        raise invalid(name, expected, "JPEG, which has no transparency")


def encode_photo(photo: Photo, kind: str, quality: int = JPEG_QUALITY) -> bytes:
    """Return the content of a photo's file.

    ICC profile, alpha and EXIF are kept, XMP is not. JPEG is written with full chroma, at quality
    95 where nothing else is asked; WebP without loss where the photo came from a lossless file,
    else at quality 95.

    Args:
        photo: what to write.
        kind: JPEG, PNG or WEBP.
        quality: of a JPEG, 1 to 95.

    Raises:
        PawfectError: INVALID_ARG for a photo with transparent parts as JPEG.
    """
    check_format(photo, kind, "photo")
    pixels = photo.pixels
    if photo.alpha is not None and kind != "JPEG":
        pixels = np.dstack([pixels, photo.alpha])
    options: dict[str, Any] = {}
    if photo.icc_profile:
        options["icc_profile"] = photo.icc_profile
    if photo.exif and (kind != "JPEG" or len(photo.exif) <= _MAX_JPEG_EXIF):
        options["exif"] = photo.exif
    if kind == "JPEG":
        options |= {"quality": quality, **_JPEG}
    elif kind == "WEBP":
        options |= _WEBP_LOSSLESS if photo.lossless else _WEBP_LOSSY
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, kind, **options)
    return sink.getvalue()


def save_photo(photo: Photo, path: Path | str) -> None:
    """Write a photo, its format by the name's ending; see `encode_photo` and `write_atomically`.

    Raises:
        PawfectError: INVALID_ARG for another ending, a format that cannot hold the photo, or a
            place that cannot be written to.
    """
    path = Path(path)
    kind = output_format(path)
    check_format(photo, kind, path.name)
    write_atomically(path, encode_photo(photo, kind))


def write_atomically(path: Path | str, data: bytes) -> None:
    """Write a file whole or not at all; INVALID_ARG where the place cannot be written to."""
    try:
        write_whole(path, data)
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise invalid(Path(path).name, "a place that can be written to", got) from None
