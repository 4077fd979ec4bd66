"""Whether a TIFF has all the parts that its header declares.

Decoders leave what is missing black.
"""

from __future__ import annotations

from typing import Final

from PIL import TiffImagePlugin

from pawfect.contract.errors import invalid

# TIFF 6.0's tags.
_BITS: Final = 258
_PACKING: Final = 259
_SAMPLES: Final = 277
_PLANES: Final = 284
_ROWS_PER_STRIP: Final = 278
_STRIPS: Final = (273, 279)
_TILE_SIZE: Final = (322, 323)
_TILES: Final = (324, 325)
_NOT_PACKED: Final = 1
_A_PLANE_PER_CHANNEL: Final = 2


def numbers(image: TiffImagePlugin.TiffImageFile, tag: int) -> tuple[int, ...]:
    """Return the values of a tag; none where there is no such tag."""
    given = image.tag_v2.get(tag, ())
    return tuple(given) if isinstance(given, tuple) else (given,)


def check_tiff_data(image: TiffImagePlugin.TiffImageFile, name: str) -> None:
    """Raise INVALID_ARG for a TIFF with fewer strips or tiles, or bytes in them, than it declares.

    Args:
        image: its header.
        name: what messages call it.
    """
    width, height = (numbers(image, tag)[0] for tag in (256, 257))
    channels = (numbers(image, _SAMPLES) or (1,))[0]
    planes = channels if numbers(image, _PLANES) == (_A_PLANE_PER_CHANNEL,) else 1
    if across := numbers(image, _TILE_SIZE[0]):
        part = across[0], (numbers(image, _TILE_SIZE[1]) or (height,))[0]
        offsets, counts = (numbers(image, tag) for tag in _TILES)
    else:
        part = width, min((numbers(image, _ROWS_PER_STRIP) or (height,))[0], height)
        offsets, counts = (numbers(image, tag) for tag in _STRIPS)
    expected = planes * -(-width // max(part[0], 1)) * -(-height // max(part[1], 1))
    if len(offsets) < expected:
        raise invalid(name, f"a TIFF with the {expected} parts that it declares", len(offsets))
    bits = sum(numbers(image, _BITS) or (1,) * channels)
    least = height * (width * bits // 8)
    if (numbers(image, _PACKING) or (_NOT_PACKED,)) == (_NOT_PACKED,) and 0 < sum(counts) < least:
        expected_bytes = f"a TIFF with the {least} bytes of pixels that it declares"
        raise invalid(name, expected_bytes, f"{sum(counts)} bytes")
