"""Rectangles of pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Box:
    """A rectangle of pixels, x1 and y1 exclusive."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def width(self) -> int:
        """Columns, px."""
        return self.x1 - self.x0

    @property
    def height(self) -> int:
        """Rows, px."""
        return self.y1 - self.y0

    @property
    def area(self) -> int:
        """Pixels."""
        return self.width * self.height

    @property
    def edges(self) -> tuple[int, int, int, int]:
        """(x0, y0, x1, y1)."""
        return self.x0, self.y0, self.x1, self.y1

    @property
    def slices(self) -> tuple[slice, slice]:
        """The index of this box in an array [H, W, ...]."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def union(self, other: Box) -> Box:
        """Return the smallest box around both."""
        return Box(
            min(self.x0, other.x0),
            min(self.y0, other.y0),
            max(self.x1, other.x1),
            max(self.y1, other.y1),
        )

    def meets(self, other: Box) -> bool:
        """Say whether the two share a pixel."""
        return (
            self.x0 < other.x1 and other.x0 < self.x1 and self.y0 < other.y1 and other.y0 < self.y1
        )

    def contains(self, other: Box) -> bool:
        """Say whether the other lies within this one."""
        return self.union(other) == self


def merged(boxes: Iterable[Box], together: Callable[[Box, Box], bool]) -> list[Box]:
    """Replace pairs of boxes by the box around both until no two belong together.

    Args:
        boxes: what is merged.
        together: symmetric; says whether two boxes are to become one.

    Returns:
        The groups' boxes, in the order of their first members.
    """
    groups = list(boxes)
    at = 0
    while at < len(groups):
        own = groups[at]
        other = next((n for n, box in enumerate(groups) if n != at and together(own, box)), None)
        if other is None:
            at += 1
            continue
        at, later = sorted((at, other))
        groups[at] = groups[at].union(groups.pop(later))
    return groups


def gathered(boxes: Iterable[Box], cell: int) -> list[Box]:
    """Replace the boxes whose upper left corners lie in the same grid cell by the box around them.

    Args:
        boxes: what is gathered, in linear time where `merged` takes the square.
        cell: side of a cell of the grid, px.

    Returns:
        The groups' boxes, in the order of their first members.
    """
    cells: dict[tuple[int, int], Box] = {}
    for box in boxes:
        key = (box.x0 // cell, box.y0 // cell)
        cells[key] = cells[key].union(box) if key in cells else box
    return list(cells.values())
