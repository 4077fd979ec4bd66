"""What is expected of a hole before its patches are looked for."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.patch import lines
from pawfect.patch.core import SIDE
from pawfect.patch.features import Level
from pawfect.patch.foreign import NOTHING_FOREIGN, Foreign, foreignness
from pawfect.patch.guide import guide, one_ground
from pawfect.patch.lead import drawn_levels
from pawfect.stop import Stop, look

SLIM: Final = 11
"""px deep at most: such a hole sees what is on both sides, and takes a third of the time without
what helps a wider one: lines, and patches whose middle is seen."""
THIN: Final = 16  # px deep at most: nothing is foreign to such a hole
FOREIGN: Final = 5000.0
"""Of a wholly foreign source, a pixel of its patch: more than any other difference."""


class Expected:
    """What is expected of a hole: how it looks from afar, its lines, and what is foreign to it.

    Attributes:
        levels: how many of the levels are worked on.
    """

    def __init__(
        self,
        lab: NDArray[np.uint8],
        hole: NDArray[np.bool_],
        levels: list[Level],
        begun: int,
        drawing: NDArray[np.uint8] | None,
        stop: Stop,
        *,
        depth: int,
    ) -> None:
        self._levels = levels
        self.levels = len(levels)
        self._foreign = NOTHING_FOREIGN
        self._factor = 1
        self._lines: NDArray[np.float64] = np.zeros((0, 4))
        self._drawn: list[NDArray[np.int16]] = []
        if drawing is not None:
            # It says itself what belongs there, and where lines go on.
            self.levels = begun + 1
            self._drawn = drawn_levels(levels[: self.levels], drawing)
            return
        if depth <= SLIM:
            return
        self._factor = 2 ** sum(level.side > lines.SIDE_PX for level in levels[:-1])
        look(stop)
        self._lines = lines.lines(levels[self._factor.bit_length() - 1], stop)
        # Of several grounds any may go on in a hole, and a thin one sees both sides.
        ground = one_ground(levels[begun])
        if ground > 0.0 and depth > THIN:
            look(stop)
            found = foreignness(lab, hole, levels[0].allowed, stop)
            self._foreign = self._but_lines(found, ground)

    def _but_lines(self, found: Foreign, ground: float) -> Foreign:
        """Return what is foreign to a ground; the lines that pass through the hole are not."""
        share = ground * found.share
        if self._lines.size:
            rows, columns = share.shape
            share[lines.drawn(self._lines, rows, columns, found.cell / self._factor) > 0] = 0.0
        return Foreign(share, found.cell)

    def at_begin(self, number: int, rough: NDArray[np.int16] | None) -> NDArray[np.int16]:
        """Tell what a level is like, INT16 [H, W, 3]; `rough` is a coarser one, filled."""
        told = guide(self._levels[number], rough)
        if self._drawn:
            # Its colours, but not its texture: of that a drawing's blur says nothing.
            told[..., :2] = self._drawn[number][..., :2]
        elif self._lines.size:
            height, width, _ = told.shape
            told[..., 0] += lines.drawn(self._lines, height, width, 2**number / self._factor)
        return told

    def drawn(self, number: int) -> NDArray[np.int16] | None:
        """Return what leads a level that is carried up to, INT16 [H, W, 3], or None."""
        return self._drawn[number] if self._drawn else None

    def cost(self, number: int) -> NDArray[np.int32]:
        """Return what copying from each pixel of a level costs, INT32 [H, W].

        A pixel counts as the cell that its corner lies in.
        """
        per_cell = np.rint(FOREIGN * SIDE * SIDE * self._foreign.share).astype(np.int32)
        rows, columns = (
            np.minimum((np.arange(size) << number) // self._foreign.cell, cells - 1)
            for size, cells in zip(self._levels[number].hole.shape, per_cell.shape, strict=True)
        )
        return np.asarray(per_cell[rows[:, None], columns])
