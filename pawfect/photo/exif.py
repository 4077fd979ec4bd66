"""EXIF for a photo that was turned upright and changed."""

from __future__ import annotations

import contextlib
from typing import Final

from PIL import ExifTags, Image, ImageOps

# EXIF's and TIFF's places for further pictures of the scene as it was before: they would still show
# what was removed. The thumbnail itself (IFD 1) is never copied.
_OTHER_PICTURES: Final = (
    0x0111,  # StripOffsets
    0x0117,  # StripByteCounts
    0x014A,  # SubIFDs
    0x0201,  # JPEGInterchangeFormat
    0x0202,  # JPEGInterchangeFormatLength
    0x02BC,  # XMP, which may hold a thumbnail
    0x8649,  # Photoshop's resources, which may hold a thumbnail
)
# The makers' notes may hold a preview, and their inner offsets do not survive being moved.
_MAKER_NOTE: Final = 0x927C
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


def turns_by_a_quarter(image: Image.Image) -> bool:
    """Say whether width and height of a picture change places as it is turned upright."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation) in _QUARTER_TURNS
    except Exception:  # noqa: BLE001 - as in upright_exif
        return False


def upright_exif(image: Image.Image) -> bytes | None:
    """Return the EXIF of a picture that was turned upright.

    Everything stays (GPS, dates, camera) but the orientation, which becomes 1, the stored size,
    which follows, and whatever may hold another picture: the thumbnail, makers' notes, XMP.

    Returns:
        EXIF bytes with the `Exif` prefix; None where there is none or Pillow cannot rewrite it.
    """
    try:
        exif = image.getexif()
        if not len(exif):
            return None
        # Asking for an IFD that is not there would create it.
        details = exif.get_ifd(ExifTags.IFD.Exif) if ExifTags.IFD.Exif in exif else {}
        for tag in _OTHER_PICTURES:
            if tag in exif:
                del exif[tag]
        details.pop(_MAKER_NOTE, None)
        for (wide, high), ifd in zip(_WIDTH_AND_HEIGHT, (exif, details), strict=True):
            if wide in ifd and high in ifd:
                ifd[wide], ifd[high] = image.size
        exif[ExifTags.Base.Orientation] = 1
        return exif.tobytes()
    except Exception:  # noqa: BLE001 - EXIF is hostile input too, and no reason to refuse a photo
        return None
