"""EXIF for a photo that was turned upright and changed."""

from __future__ import annotations

from typing import Final

from PIL import ExifTags, Image

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
# How to undo each value of EXIF's orientation, CIPA DC-008 4.6.5.
_TO_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_QUARTER_TURNS: Final = frozenset(_TO_UPRIGHT[value] for value in (5, 6, 7, 8))


def turned_upright(image: Image.Image) -> Image.Image:
    """Return the picture as it is to be seen; unreadable EXIF counts as none."""
    method = _turn(image)
    return image if method is None else image.transpose(method)


def turns_by_a_quarter(image: Image.Image) -> bool:
    """Say whether width and height of a picture change places as it is turned upright."""
    return _turn(image) in _QUARTER_TURNS


def _turn(image: Image.Image) -> Image.Transpose | None:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        return _TO_UPRIGHT.get(orientation)
    except Exception:  # noqa: BLE001 - as in upright_exif
        return None


def upright_exif(image: Image.Image, width: int, height: int) -> bytes | None:
    """Return the EXIF of a picture as it is after being turned upright.

    Everything stays (GPS, dates, camera) but the orientation, which becomes 1, the stored size,
    which follows, and whatever may hold another picture: the thumbnail, makers' notes, XMP.

    Args:
        image: as it was decoded, not yet turned.
        width: of the upright picture, px.
        height: of the upright picture, px.

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
                ifd[wide], ifd[high] = width, height
        exif[ExifTags.Base.Orientation] = 1
        return exif.tobytes()
    except Exception:  # noqa: BLE001 - EXIF is hostile input too, and no reason to refuse a photo
        return None
