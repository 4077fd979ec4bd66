"""Whether a JPEG holds all the pixels that its header declares, and an end mark it may lack.

The decoder paints what is missing grey and says nothing, if only the end mark is there.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageChops

from pawfect.contract.errors import invalid

# Markers, ITU-T T.81 table B.1: start of a frame with Huffman coding, and end of the image.
_HUFFMAN_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2})
_END: Final = 0xD9
_START_OF_SCAN: Final = 0xDA
_START: Final = b"\xff\xd8\xff"
_END_MARK: Final = b"\xff\xd9"
_COEFFICIENTS: Final = 64
# A marker within coded data: not a stuffed zero, a fill byte or a restart.
_MARKER: Final = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")
# Coded data of no meaning and without 0xFF: no restart, no end.
_EXTRA: Final = b"\xa5\x5a\x3c\xc3\x69\x96" * 40


@dataclass(frozen=True)
class _Segment:
    """A marker and what belongs to it.

    Attributes:
        kind: the marker's second byte.
        start: where the marker stands.
        body: its parameters, without their length; coded data that follow are not among them.
    """

    kind: int
    start: int
    body: bytes


def with_end_mark(data: bytes) -> bytes:
    """Return a file with the end mark that it lacks; any other file as it is.

    It is put only behind all scans that a picture of full precision has: what a progressive file
    lacks of them would not show. Whether the last scan is whole `check_jpeg_data` tells.
    """
    if not data.startswith(_START) or data.endswith(_END_MARK):
        return data
    found = list(_segments(data))
    if not found or found[-1].kind == _END or not _has_all_scans(found):
        return data
    # Half an end mark is none.
    return data.rstrip(b"\xff") + _END_MARK


def _has_all_scans(segments: list[_Segment]) -> bool:
    """Say whether there is a scan with the last bit of each coefficient of each component.

    ITU-T T.81 B.2.2 and B.2.3.
    """
    frames = [each.body for each in segments if each.kind in _HUFFMAN_FRAMES]
    if len(frames) != 1 or len(frames[0]) < 6:
        return False
    lacking = {
        component: set(range(_COEFFICIENTS)) for component in frames[0][6::3][: frames[0][5]]
    }
    for scan in (each.body for each in segments if each.kind == _START_OF_SCAN):
        count = scan[0] if scan else 0
        if len(scan) != 4 + 2 * count:
            return False
        first, last, bits = scan[-3:]
        if bits & 0x0F == 0:
            for component in scan[1 : 1 + 2 * count : 2]:
                lacking.get(component, set()).difference_update(range(first, last + 1))
    return not any(lacking.values())


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
    huffman = False
    for segment in _segments(data):
        if segment.kind == _END:
            return segment.start if huffman else None
        huffman = huffman or segment.kind in _HUFFMAN_FRAMES
    return None


def _segments(data: bytes) -> Iterator[_Segment]:
    """Yield the segments of the first picture, to its end mark or as far as there are any."""
    position = 2
    while marker := _MARKER.search(data, position):
        kind, at = marker.group(1)[0], marker.end()
        length = 2 if kind == _END else int.from_bytes(data[at : at + 2], "big")
        yield _Segment(kind, marker.start(), data[at + 2 : at + max(length, 2)])
        if kind == _END:
            return
        position = at + length
