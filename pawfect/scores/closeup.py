"""What a measure looks at: the close surroundings of the holes, at a size that costs little.

Far from a hole a fill shows nothing, and a photo of 12 MP has most of its pixels there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.picture import raster
from pawfect.picture.box import Box, gathered, merged
from pawfect.scores.sharpness import signed_distance

# The ring's width as a share of the square root of the hole's area: wide enough to show the
# textures that a fill may have, narrow enough to lie in the same light. At least, px: several
# blocks of the texture's measure.
RING_SHARE: Final = 0.5
LEAST_RING_PX: Final = 32
# Longest side of a closeup, px: a fill's tone, texture and seam show at it; time follows its
# square. Detail finer than that is measured in `detail`, at the photo's own size.
WORKING_PX: Final = 512
# Most groups of holes that are looked at, the largest first: beyond them each is a speck.
MOST_GROUPS: Final = 4
# Above this many holes their boxes are gathered on a grid first: merging pairs is quadratic.
_MOST_PAIRWISE: Final = 64
_CELL_PX: Final = 128
# Pixels nearer to the outline count neither as fill nor as ring: a fill's edge may be blended.
GAP_PX: Final = 3
# Least of an inside and of its ring, px: fewer pixels than a patch of 8 x 8 show no texture.
LEAST_PX: Final = 64
# Least of the ring as a share of the hole: of a photo that is nearly all hole a corner is left, and
# a corner does not say what the rest looked like.
LEAST_RING_SHARE: Final = 0.1


@dataclass(frozen=True, eq=False)
class Closeup:
    """A group of holes and what lies around it.

    Attributes:
        image: UINT8 [h, w, 3] RGB, the result.
        hole: [h, w], what was filled.
        inside: [h, w], the hole without its edge; all of it where it is thin.
        ring: [h, w], the surroundings that a fill is compared with.
        distance: FLOAT32 [h, w] px, to the hole's outline, negative in the hole.
        area: pixels of the hole in the photo itself.
        before: UINT8 [h, w, 3] RGB, the original.
    """

    image: NDArray[np.uint8]
    hole: NDArray[np.bool_]
    inside: NDArray[np.bool_]
    ring: NDArray[np.bool_]
    distance: NDArray[np.float32]
    area: int
    before: NDArray[np.uint8]

    @property
    def telling(self) -> bool:
        """Whether there is an inside and enough of a ring to compare it with."""
        inside, ring = np.count_nonzero(self.inside), np.count_nonzero(self.ring)
        return inside >= LEAST_PX and ring >= max(LEAST_PX, LEAST_RING_SHARE * inside)


def groups(hole: NDArray[np.bool_]) -> list[Box]:
    """Return boxes around holes with their rings, the largest holes first; they do not overlap.

    Args:
        hole: [H, W], what was filled.

    Returns:
        At most MOST_GROUPS boxes; none where nothing was filled.
    """
    if not hole.any():
        return []
    at = raster.surrounding(hole, 0)
    _, _, stats, _ = cv2.connectedComponentsWithStats(hole[at].view(np.uint8), connectivity=8)
    boxes = []
    for x, y, w, h, area in stats[1:].tolist():
        ring = ring_px(area)
        x, y = x + at[1].start, y + at[0].start
        x0, y0 = max(x - ring, 0), max(y - ring, 0)
        boxes.append(
            Box(x0, y0, min(x + w + ring, hole.shape[1]), min(y + h + ring, hole.shape[0]))
        )
    if len(boxes) > _MOST_PAIRWISE:
        boxes = gathered(boxes, _CELL_PX)
    found = merged(boxes, Box.meets)
    areas = [np.count_nonzero(hole[box.slices]) for box in found]
    order = sorted(range(len(found)), key=lambda n: -areas[n])
    return [found[n] for n in order[:MOST_GROUPS]]


def ring_px(area: float) -> int:
    """Return the width of the ring around a hole of so many pixels, px."""
    return max(round(RING_SHARE * float(np.sqrt(area))), LEAST_RING_PX)


def closeup(
    result: NDArray[np.uint8], original: NDArray[np.uint8], hole: NDArray[np.bool_], box: Box
) -> Closeup:
    """Return what lies in a box, shrunk where it is large.

    Args:
        result: UINT8 [H, W, 3] RGB.
        original: UINT8 [H, W, 3] RGB.
        hole: [H, W].
        box: with some of the hole in it.
    """
    after, before = (np.ascontiguousarray(photo[box.slices]) for photo in (result, original))
    filled = hole[box.slices]
    area = int(np.count_nonzero(filled))
    factor = max(box.width, box.height) / WORKING_PX
    if factor > 1:
        size = (max(round(box.height / factor), 1), max(round(box.width / factor), 1))
        after, before = (raster.shrink(photo, size) for photo in (after, before))
        filled = raster.shrink_any(filled, size)
    distance = signed_distance(filled.view(np.uint8))
    reach = ring_px(np.count_nonzero(filled))
    ring = (distance >= GAP_PX) & (distance <= reach)
    inside = distance <= -GAP_PX
    if np.count_nonzero(inside) < LEAST_PX:
        inside = filled  # a leash is nothing but edges
    return Closeup(after, filled, inside, ring, distance, area, before)
