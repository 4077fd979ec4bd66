"""What the benchmark fills: a picture, the hole that every method gets, and the truth under it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pawfect.picture.mask import clean_mask
from perf.scenes import Scene


@dataclass(frozen=True, eq=False)
class Removal:
    """A hole whose right fill is known. All arrays share H and W.

    Attributes:
        name: unique within a run.
        group: what kind of picture it is.
        photo: UINT8 [H, W, 3] RGB; what lies in the hole is not the truth.
        truth: UINT8 [H, W, 3] RGB, equal to the photo away from the hole.
        marked: UINT8 [H, W], 255 = what a user marked; `inpaint` cleans it itself.
        hole: UINT8 [H, W], 255 = what is filled and scored, the same for every method.
        dilate_px: how far `inpaint` grows what was marked, to come to the hole; None: by itself.
        unknown: UINT8 [H, W], 255 = no part of the picture, never copied from; None: nowhere.
    """

    name: str
    group: str
    photo: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    marked: NDArray[np.uint8]
    hole: NDArray[np.uint8]
    dilate_px: int | None = None
    unknown: NDArray[np.uint8] | None = None


def removal_of(scene: Scene) -> Removal:
    """Take a scene: its hole is its mask as `inpaint` cleans it, and nothing is protected."""
    hole = clean_mask(scene.mask).mask
    return Removal(scene.name, scene.group, scene.photo, scene.truth, scene.mask, hole)
