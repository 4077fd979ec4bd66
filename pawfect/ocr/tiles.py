"""A large picture cut into tiles that a network sees one after the other, and its map of the whole.

The detector holds some 200 MiB for each megapixel that it sees at once (measured, 3 MP).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

# Most px that are seen at once: all that RapidOCR itself looks at, so that the map is then its own.
WHOLE_PX: Final = 4_500_000
TILE: Final = 1536
"""px: side of a tile; a multiple of 32, as the network takes."""
OVERLAP: Final = 256
"""px: of neighbours. Half of it at each edge is not used: there the network sees too little."""


@dataclass(frozen=True)
class Span:
    """A tile along one axis, px.

    Attributes:
        start, end: what is seen.
        first, last: the part of it whose map is used.
    """

    start: int
    end: int
    first: int
    last: int


def spans(length: int, tile: int = TILE, overlap: int = OVERLAP) -> tuple[Span, ...]:
    """Return the tiles along an axis; their used parts are the whole axis, each pixel once."""
    if length <= tile:
        return (Span(0, length, 0, length),)
    starts = [*range(0, length - tile, tile - overlap), length - tile]
    # Of two neighbours each has its side of the middle of what both see.
    cuts = [(before + tile + after) // 2 for before, after in pairwise(starts)]
    edges = pairwise([0, *cuts, length])
    return tuple(
        Span(start, start + tile, first, last)
        for start, (first, last) in zip(starts, edges, strict=True)
    )


def tiles(height: int, width: int) -> Iterator[tuple[Span, Span]]:
    """Yield the tiles of a picture as (rows, columns); one alone where it is small enough.

    Args:
        height: px, a multiple of 32.
        width: px, a multiple of 32.
    """
    if height * width <= WHOLE_PX:
        yield Span(0, height, 0, height), Span(0, width, 0, width)
        return
    for rows in spans(height):
        for columns in spans(width):
            yield rows, columns
