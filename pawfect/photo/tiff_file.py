"""Writing TIFF: any samples of 8 or 16 bits, with all metadata, without loss.

Baseline TIFF 6.0 with Deflate (Adobe's technical notes to PageMaker 6.0): a directory, then strips
of differences between neighbours. Pillow writes no colours of 16 bits.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, TiffImagePlugin

# Bytes of a strip before it is packed: large enough to pack well, small enough for readers to take
# a picture by parts.
_STRIP_BYTES: Final = 2**20
# How hard zlib tries: a photo becomes 1 % smaller by the default 6, in three times the time.
_LEVEL: Final = 3
_DEFLATE: Final = 8
_DIFFERENCES: Final = 2
_PLAIN_ALPHA: Final = 2
_INCH: Final = 2
_SUBDIRECTORIES: Final = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
_SHORT, _LONG, _UNDEFINED, _BYTE = 3, 4, 7, 1
_HEADER: Final = b"II*\0"


def encode_tiff(
    samples: NDArray[np.uint8] | NDArray[np.uint16],
    *,
    dpi: tuple[float, float] | None = None,
    icc_profile: bytes | None = None,
    exif: bytes | None = None,
    xmp: bytes | None = None,
) -> bytes:
    """Return the content of a TIFF file.

    Args:
        samples: UINT8 or UINT16 [H, W, C]: grey, grey and alpha, RGB, or RGB and alpha; alpha not
            premultiplied.
        dpi: (across, down), pixels per inch, or None.
        icc_profile: of RGB or grey, or None.
        exif: with the `Exif` prefix, or None.
        xmp: a packet, or None.
    """
    height, width, channels = samples.shape
    rows = max(1, _STRIP_BYTES // samples[0].nbytes)
    strips = [_packed(samples[top : top + rows]) for top in range(0, height, rows)]
    # Counted from the end of the directory, as Pillow takes them.
    offsets = np.cumsum([0, *map(len, strips[:-1])])
    directory = TiffImagePlugin.ImageFileDirectory_v2(_HEADER + bytes(4))
    _describe(directory, exif)
    extra = {338: _PLAIN_ALPHA} if channels in (2, 4) else {}
    structure: dict[int, Any] = {
        256: width,
        257: height,
        258: (samples.itemsize * 8,) * channels,
        259: _DEFLATE,
        262: 2 if channels >= 3 else 1,
        277: channels,
        278: rows,
        284: 1,
        317: _DIFFERENCES,
        **extra,
    }
    _set(directory, structure, _SHORT)
    _set(directory, {273: tuple(map(int, offsets)), 279: tuple(map(len, strips))}, _LONG)
    if dpi is not None:
        directory[282], directory[283], directory[296] = (*dpi, _INCH)
    _set(directory, {34675: icc_profile} if icc_profile else {}, _UNDEFINED)
    _set(directory, {700: xmp} if xmp else {}, _BYTE)
    start = len(_HEADER) + 4
    return b"".join((_HEADER, struct.pack("<I", start), directory.tobytes(start), *strips))


def _packed(strip: NDArray[Any]) -> bytes:
    """Return rows of samples as differences to their left neighbours, packed."""
    stored = strip.astype(strip.dtype.newbyteorder("<"))
    stored[:, 1:] -= strip[:, :-1]
    return zlib.compress(stored.tobytes(), _LEVEL)


def _describe(directory: TiffImagePlugin.ImageFileDirectory_v2, exif: bytes | None) -> None:
    """Copy what EXIF says of the picture into a directory."""
    if not exif:
        return
    read = Image.Exif()
    read.load(exif)
    for tag, value in read.items():
        directory[tag] = value
    for tag in _SUBDIRECTORIES:
        if tag in read:
            directory[tag] = dict(read.get_ifd(tag))


def _set(
    directory: TiffImagePlugin.ImageFileDirectory_v2, values: Mapping[int, Any], kind: int
) -> None:
    for tag, value in values.items():
        directory.tagtype[tag] = kind
        directory[tag] = value
