"""The formats of picture files: one row each, and how a file of it is known by its start."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

# Where a 16-bit number holds a file's sides, or less of it: JPEG, and WebP's 14 bits less one.
_JPEG_SIDE: Final = 65535
_WEBP_SIDE: Final = 16383


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        title: as people write it.
        suffixes: endings of names, lower case; of those that are written, the first is the usual.
        written: whether files of it are written, or only read.
        alpha: whether what is written can hold transparency.
        deep: whether 16 bits per channel are read and written.
        lossless: whether each file of it kept every pixel; None: some do (WebP).
        quality: whether what is written has a quality to choose.
        metadata: whether what is written can hold EXIF, ICC profile and XMP.
        several: what files with several pictures are, if not refused: the first one counts.
        most_side: longest side that can be written, px; None: beyond any photo's.
    """

    title: str
    suffixes: tuple[str, ...]
    written: bool = True
    alpha: bool = False
    deep: bool = False
    lossless: bool | None = True
    quality: bool = False
    metadata: bool = True
    several: bool = False
    most_side: int | None = None


# By Pillow's names. Phones' JPEGs (MPO) and HEICs hold depth maps and bursts beside the picture,
# GIFs are animations.
FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        "JPEG": Format(
            "JPEG",
            (".jpg", ".jpeg"),
            lossless=False,
            quality=True,
            several=True,
            most_side=_JPEG_SIDE,
        ),
        "PNG": Format("PNG", (".png",), alpha=True, deep=True),
        "WEBP": Format(
            "WebP", (".webp",), alpha=True, lossless=None, quality=True, most_side=_WEBP_SIDE
        ),
        "TIFF": Format("TIFF", (".tif", ".tiff"), alpha=True, deep=True),
        "AVIF": Format("AVIF", (".avif",), alpha=True, lossless=False, quality=True),
        "BMP": Format("BMP", (".bmp",), metadata=False),
        # Its 256 colours would change every pixel, not those of the hole alone.
        "GIF": Format("GIF", (".gif",), written=False, several=True),
        # What writes HEVC is not free.
        "HEIF": Format("HEIC", (".heic", ".heif"), written=False, lossless=False, several=True),
    }
)
READ: Final = "a JPEG, PNG, WebP, TIFF, AVIF, HEIC, BMP or GIF file"
WRITTEN: Final[Mapping[str, Format]] = MappingProxyType(
    {kind: row for kind, row in FORMATS.items() if row.written}
)
FORMAT_OF_SUFFIX: Final[Mapping[str, str]] = MappingProxyType(
    {suffix: kind for kind, row in WRITTEN.items() for suffix in row.suffixes}
)
# As people name them on a command line.
FORMAT_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {row.title.lower(): kind for kind, row in WRITTEN.items()}
)
# What a result is written as where the photo's own format is only read.
WRITTEN_AS: Final[Mapping[str, str]] = MappingProxyType({"GIF": "PNG", "HEIF": "JPEG"})

# What people have under a picture's name, by how it starts.
_STARTS: Final = (
    (re.compile(rb"$", re.S), "an empty file"),
    (re.compile(rb"\xff\xd8\xff"), "a truncated or broken JPEG"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "a truncated or broken PNG"),
    (re.compile(rb"RIFF....WEBP", re.S), "a truncated or broken WebP"),
    (re.compile(rb"GIF8"), "a truncated or broken GIF"),
    (re.compile(rb"BM"), "a truncated or broken BMP, or one of an unknown kind"),
    (re.compile(rb"II[*+]\0|MM\0[*+]"), "a truncated or broken TIFF, or one of an unknown kind"),
    (re.compile(rb"....ftypavi", re.S), "a truncated or broken AVIF"),
    (re.compile(rb"....ftyp(hei|hev|mif|msf)", re.S), "a truncated or broken HEIC"),
    (re.compile(rb"%PDF"), "a PDF"),
    (re.compile(rb"....ftyp", re.S), "a film"),
    (re.compile(rb"[\t\n\r\x20-\x7e]+$"), "text"),
)


def what_starts_so(data: bytes) -> str:
    """Return what a file that cannot be read seems to be, for a message."""
    start = data[:64]
    return next((what for pattern, what in _STARTS if pattern.match(start)), "something else")
