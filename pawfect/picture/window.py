"""Windows: the parts of a photo that are worked on, one per group of near holes.

A window is the bounding box of its holes plus context. The boxes of different windows' holes never
meet, so each hole belongs to exactly one window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.picture.box import Box, gathered, merged

# Context on each side, as a share of the hole box's longer side: patches for the hole are looked
# for within about its own size; beyond that the light and the perspective differ.
CONTEXT_SHARE: Final = 0.5
# To the left and right twice that: ground recedes upwards, so that what lies at the same height has
# the hole's own scale and focus. On the 30 benchmark scenes 0.071 ST-LPIPS against 0.074.
SIDEWAYS: Final = 2
MIN_CONTEXT_PX: Final = 96
MAX_CONTEXT_PX: Final = 384
# Above this many holes the boxes are first gathered on a grid: pairwise merging is quadratic.
MAX_PAIRWISE: Final = 64


@dataclass(frozen=True)
class Window:
    """A part of the photo that is filled in one piece.

    Attributes:
        box: what is cut out: the holes' box plus context.
        holes: the bounding box of the holes that this window fills; those of two windows never
            meet.
    """

    box: Box
    holes: Box

    def hole_mask(self, clean: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return this window's own holes, UINT8 [h, w], of a cleaned mask UINT8 [H, W]."""
        own = np.zeros((self.box.height, self.box.width), np.uint8)
        inner = Box(
            self.holes.x0 - self.box.x0,
            self.holes.y0 - self.box.y0,
            self.holes.x1 - self.box.x0,
            self.holes.y1 - self.box.y0,
        )
        own[inner.slices] = clean[self.holes.slices]
        return own


def plan_windows(boxes: NDArray[np.int32], height: int, width: int) -> tuple[Window, ...]:
    """Choose the windows of a photo.

    Two groups of holes become one where their boxes meet, or where their boxes with as much context
    on all sides are no smaller than one around both.

    Args:
        boxes: INT32 [K, 4] of (x0, y0, x1, y1), K >= 1, as `clean_mask` gives them.
        height: the photo's, px.
        width: the photo's, px.

    Returns:
        Windows, the one with the largest hole box first.
    """
    groups = [Box(*map(int, row)) for row in boxes]
    cell = MIN_CONTEXT_PX
    while len(groups) > MAX_PAIRWISE:
        groups = gathered(groups, cell)
        cell *= 2
    groups = merged(groups, lambda a, b: _belong_together(a, b, height, width))
    groups.sort(key=lambda box: (-box.area, box))
    return tuple(Window(with_context(box, height, width), box) for box in groups)


def with_context(holes: Box, height: int, width: int, sideways: int = SIDEWAYS) -> Box:
    """Return the holes' box with its context, within a photo of `height` x `width` px.

    Args:
        holes: what is filled.
        height: the photo's, px.
        width: the photo's, px.
        sideways: how many times farther the context reaches to the left and right.
    """
    longer = max(holes.width, holes.height)
    margin = int(min(max(CONTEXT_SHARE * longer, MIN_CONTEXT_PX), MAX_CONTEXT_PX))
    lateral = int(
        min(max(sideways * CONTEXT_SHARE * longer, MIN_CONTEXT_PX), sideways * MAX_CONTEXT_PX)
    )
    return Box(
        max(holes.x0 - lateral, 0),
        max(holes.y0 - margin, 0),
        min(holes.x1 + lateral, width),
        min(holes.y1 + margin, height),
    )


def _belong_together(a: Box, b: Box, height: int, width: int) -> bool:
    if a.meets(b):
        return True
    one, other, both = (with_context(box, height, width, 1).area for box in (a, b, a.union(b)))
    return both <= one + other
