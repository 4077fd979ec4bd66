"""A task as it is seen in a mirror and turned by quarters, and its fill turned back.

A fill by patches is begun and scanned from the upper left: in another of the eight symmetries of
the square it falls into another minimum.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pawfect.orchestrator.engine import Task
from pawfect.picture.box import Box
from pawfect.picture.window import Window


@dataclass(frozen=True)
class Symmetry:
    """One of the eight symmetries of the square.

    Attributes:
        mirrored: left to right, before it is turned.
        quarters: of a turn against the clock, 0 to 3.
    """

    mirrored: bool
    quarters: int

    def seen(self, plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a picture UINT8 [H, W] or [H, W, 3] as it is seen."""
        flipped = np.flip(plane, 1) if self.mirrored else plane
        return np.ascontiguousarray(np.rot90(flipped, self.quarters))

    def restored(self, plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a picture that is seen so as it was."""
        turned = np.rot90(plane, -self.quarters)
        return np.ascontiguousarray(np.flip(turned, 1) if self.mirrored else turned)

    def box(self, box: Box, height: int, width: int) -> Box:
        """Return where a box of a picture of `height` x `width` px is seen."""
        x0, y0, x1, y1 = box.edges
        if self.mirrored:
            x0, x1 = width - x1, width - x0
        for _ in range(self.quarters):
            x0, y0, x1, y1 = y0, width - x1, y1, width - x0
            height, width = width, height
        return Box(x0, y0, x1, y1)


def seen_task(task: Task, symmetry: Symmetry) -> Task:
    """Return a task on the photo as it is seen; the floor is left behind."""
    request, cleaned = task.request, task.cleaned
    height, width = cleaned.mask.shape
    own = replace(
        request,
        image=symmetry.seen(request.image),
        mask=symmetry.seen(request.mask),
        protect=None if request.protect is None else symmetry.seen(request.protect),
    )
    windows = tuple(
        Window(symmetry.box(one.box, height, width), symmetry.box(one.holes, height, width))
        for one in cleaned.windows
    )
    turned = replace(
        cleaned,
        mask=symmetry.seen(cleaned.mask),
        ring=symmetry.seen(cleaned.ring),
        windows=windows,
    )
    return replace(task, request=own, cleaned=turned, floor=None)
