"""Whether a JPEG holds all the pixels that its header declares.

The decoder paints what is missing grey and says nothing, if only the end mark is there.
"""

from __future__ import annotations

import io
import re
from typing import Final

from PIL import Image, ImageChops

from pawfect.contract.errors import invalid

# Markers, ITU-T T.81 table B.1: start of a frame with Huffman coding, and end of the image.
_HUFFMAN_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2})
_END: Final = 0xD9
# A marker within coded data: not a stuffed zero, a fill byte or a restart.
_MARKER: Final = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")
# Coded data of no meaning and without 0xFF: no restart, no end.
_EXTRA: Final = b"\xa5\x5a\x3c\xc3\x69\x96" * 40


def check_jpeg_data(data: bytes, image: Image.Image, name: str) -> None:
    """Raise INVALID_ARG where a decoder would have gone on reading past a JPEG's end.

    The file is decoded once more with extra data before its end mark: a whole picture stays the
    same, in one that lacks data the extra shows.

    Args:
        data: the file's content.
        image: as it was decoded, at full size or an eighth of it.
        name: what messages call it.
    """
    end = _end_of_coded_data(data)
    if end is None:
        return
    padded = data[:end] + _EXTRA + data[end:]
    try:
        other = Image.open(io.BytesIO(padded), formats=("JPEG",))
        if other.size != image.size:
            other.draft(None, (1, 1))
        same = ImageChops.difference(other.convert(image.mode), image).getbbox() is None
    except Exception:  # noqa: BLE001 - decoders raise whatever a broken file leads them to
        same = False
    if not same:
        expected = "a JPEG with all the pixels that it declares"
        raise invalid(name, expected, "a truncated or broken one (data are missing)")


def _end_of_coded_data(data: bytes) -> int | None:
    """Return where the first picture's coded data end.

    None where there is no end mark, which decoders notice themselves, and for arithmetic coding,
    which may leave out trailing zeros.
    """
    position = 2
    huffman = False
    while marker := _MARKER.search(data, position):
        kind = marker.group(1)[0]
        if kind == _END:
            return marker.start() if huffman else None
        huffman = huffman or kind in _HUFFMAN_FRAMES
        position = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")
    return None
