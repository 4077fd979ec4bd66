"""EXIF for a photo that was turned upright and changed."""

from __future__ import annotations

import contextlib
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

# EXIF's and TIFF's places for further pictures of the scene as it was before: they would still show
# what was removed. The thumbnail itself (IFD 1) is never copied.
_OTHER_PICTURES: Final = (
    0x0111,  # StripOffsets
    0x0117,  # StripByteCounts
    0x014A,  # SubIFDs
    0x0201,  # JPEGInterchangeFormat
    0x0202,  # JPEGInterchangeFormatLength
    0x02BC,  # XMP, which is kept by itself
    0x8649,  # Photoshop's resources, which may hold a thumbnail
)
# The makers' notes may hold a preview, and their inner offsets do not survive being moved.
_MAKER_NOTE: Final = 0x927C
# What says of a TIFF's picture what it shows, who made it and when; all else there says where its
# pixels are, or holds other pictures. The last five are what Windows adds.
_KEPT_OF_TIFF: Final = frozenset(
    {0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298, 0x8769, 0x8825}
    | {0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F}
)
_WIDTH_AND_HEIGHT: Final = ((0x0100, 0x0101), (0xA002, 0xA003))
# The orientations that make width and height change places, CIPA DC-008 4.6.5.
_QUARTER_TURNS: Final = frozenset({5, 6, 7, 8})


def turn_upright(image: Image.Image) -> None:
    """Turn a picture, in place, as it is to be seen; unreadable EXIF counts as none."""
    # What fails is reading the EXIF, or rewriting it once the pixels are turned.
    with contextlib.suppress(Exception):
        oriented = ExifTags.Base.Orientation in image.getexif()
        ImageOps.exif_transpose(image, in_place=True)
        if oriented:
            image.getexif()[ExifTags.Base.Orientation] = 1


def orientation_of(image: Image.Image) -> int:
    """Return how a picture is to be turned, EXIF's 1 to 8; 1 where nothing readable says so."""
    try:
        found = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # noqa: BLE001 - as in upright_exif
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def size_as_seen(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Return the (width, height) of a picture that is stored with another and then turned."""
    return (size[1], size[0]) if orientation in _QUARTER_TURNS else size


def turned(samples: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return samples [H, W, C] of any type, stored with an orientation, as they are to be seen."""
    if orientation in _QUARTER_TURNS:
        samples = np.swapaxes(samples, 0, 1)
    # Left and right, top and bottom of the picture as it then is.
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    return np.ascontiguousarray(samples)


def upright_exif(image: Image.Image) -> bytes | None:
    """Return the EXIF of a picture that was turned upright.

    Everything stays (GPS, dates, camera) but the orientation, which becomes 1, the stored size,
    which follows, and whatever may hold another picture: the thumbnail, makers' notes. Of a TIFF,
    whose own tags are among it, only what describes the picture stays.

    Returns:
        EXIF bytes with the `Exif` prefix; None where there is none or Pillow cannot rewrite it.
    """
    try:
        exif = image.getexif()
        if not len(exif):
            return None
        # Asking for an IFD that is not there would create it.
        details = exif.get_ifd(ExifTags.IFD.Exif) if ExifTags.IFD.Exif in exif else {}
        other = set(exif) - _KEPT_OF_TIFF if image.format == "TIFF" else set(_OTHER_PICTURES)
        for tag in other & set(exif):
            del exif[tag]
        details.pop(_MAKER_NOTE, None)
        for (wide, high), ifd in zip(_WIDTH_AND_HEIGHT, (exif, details), strict=True):
            if wide in ifd and high in ifd:
                ifd[wide], ifd[high] = image.size
        if not len(exif):
            return None
        exif[ExifTags.Base.Orientation] = 1
        return exif.tobytes()
    except Exception:  # noqa: BLE001 - EXIF is hostile input too, and no reason to refuse a photo
        return None
