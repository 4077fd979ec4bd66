"""Where two pictures differ so that it can be seen: a share, and a coarse map."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.refine_report import ChangeReport

# Cells along the longer side: a page draws a few hundred of them, and REPORT holds them in 4 kB.
CELLS: Final = 32
# The distance in CIELAB from which two colours look different: M. Mahy, L. Van Eycken,
# A. Oosterlinck: Evaluation of uniform color spaces developed after the adoption of CIELAB and
# CIELUV. Color Research and Application 19(2), 1994.
VISIBLE: Final = 2.3


def change_map(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> ChangeReport:
    """Compare two pictures, UINT8 [H, W, 3] each, sRGB: CIE 1976 colour differences by cells."""
    height, width = before.shape[:2]
    rows, columns = (max(1, round(CELLS * side / max(height, width))) for side in (height, width))
    tops, lefts = _edges(height, rows), _edges(width, columns)
    visible, cells = 0, []
    # By strips: a photo of 100 megapixels would take 2.4 GB as two pictures of floats.
    for top, below in pairwise(tops):
        moved = _moved(before[top:below], after[top:below])
        visible += int(np.count_nonzero(moved >= VISIBLE))
        sums = np.add.reduceat(moved.sum(axis=0, dtype=np.float64), lefts[:-1])
        means = sums / ((below - top) * np.diff(lefts))
        cells.append(tuple(int(mean) for mean in np.rint(means)))
    return ChangeReport(round(visible / (height * width), 4), tuple(cells))


def _edges(length: int, parts: int) -> NDArray[np.int64]:
    return np.arange(parts + 1, dtype=np.int64) * length // parts


def _moved(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return how far each pixel's colour moved, FP32 [h, w], in CIELAB."""
    one, other = (
        cv2.cvtColor(strip.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) for strip in (before, after)
    )
    return np.asarray(np.linalg.norm(other - one, axis=2), np.float32)
