"""From SAM3's answers to labels: pure arithmetic on presences, masks and the ring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.tensors import MASK_THRESHOLD


@dataclass(frozen=True)
class Labels:
    """The surfaces of a ring, best first.

    Attributes:
        names: of the surfaces, K of them.
        scores: FP32 [K] in 0-1: presence times coverage, not increasing.
        coverage: FP32 [K] in 0-1: share of the ring that the surface covers. Surfaces may overlap,
            so that these need not sum to 1.
    """

    names: tuple[str, ...]
    scores: NDArray[np.float32]
    coverage: NDArray[np.float32]


NO_LABELS = Labels((), np.zeros(0, np.float32), np.zeros(0, np.float32))


def ring_share(ring: NDArray[np.uint8], height: int, width: int) -> NDArray[np.float64]:
    """Return how much of each cell of a grid over the picture the ring takes, exactly by area.

    Args:
        ring: UINT8 [H, W]; values >= 128 are the ring.
        height: rows of the grid, coarser or finer than the ring.
        width: its columns.

    Returns:
        FP64 [height, width] in 0-1.
    """
    # The integral is bilinear within a pixel, so reading it between pixels is exact.
    integral = cv2.integral((ring >= MASK_THRESHOLD).view(np.uint8))
    rows = _between(integral, np.linspace(0, ring.shape[0], height + 1))
    corners = _between(rows.T, np.linspace(0, ring.shape[1], width + 1)).T
    cell = (ring.shape[0] / height) * (ring.shape[1] / width)
    share: NDArray[np.float64] = np.diff(np.diff(corners, axis=0), axis=1) / cell
    return share.clip(0, 1)


def score_surfaces(
    presence: NDArray[np.floating[Any]],
    masks: NDArray[np.bool_],
    ring: NDArray[np.floating[Any]],
    surface_of: NDArray[np.integer[Any]],
    surfaces: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Score each surface by the best of its phrases: presence times coverage of the ring.

    What lies outside the ring (the hole, the pet, the rest of the picture) counts for nothing.

    Args:
        presence: [P] in 0-1, how sure SAM3 is that a phrase names something in the picture.
        masks: BOOL [P, h, w], where it is.
        ring: [h, w] in 0-1, the ring's share of each cell (`ring_share`).
        surface_of: INT [P], the surface that each phrase asks for, 0 to surfaces - 1.
        surfaces: number of surfaces.

    Returns:
        Scores and coverage, FP32 [surfaces] in 0-1; the coverage is that of the phrase that gave
        the score. All 0 where the ring is empty, and for a surface without phrases.
    """
    inside = ring > 0
    weights = ring[inside]
    coverage = masks[:, inside] @ weights / max(weights.sum(), np.finfo(np.float64).tiny)
    coverage = coverage.clip(0, 1)
    scores = presence * coverage
    best = np.zeros((2, surfaces), np.float32)
    # Worst first, so that each surface keeps its best; of equal phrases the first.
    for phrase in np.argsort(-scores, kind="stable")[::-1]:
        best[:, surface_of[phrase]] = scores[phrase], coverage[phrase]
    return best[0], best[1]


def best_first(
    names: Sequence[str],
    scores: NDArray[np.float32],
    coverage: NDArray[np.float32],
    *,
    least: float,
    most: int,
) -> Labels:
    """Return the surfaces that score at least `least`, the best `most` of them, best first.

    Args:
        names: of the surfaces, K of them; their order decides between equal scores.
        scores: FP32 [K].
        coverage: FP32 [K].
        least: a lower score is no label.
        most: labels at most.
    """
    order = np.argsort(-scores, kind="stable")
    kept = order[scores[order] >= least][:most]
    return Labels(tuple(names[index] for index in kept), scores[kept], coverage[kept])


def _between(integral: NDArray[np.generic], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rows of an integral at fractional positions."""
    below = np.minimum(edges.astype(np.int64), integral.shape[0] - 2)
    lower = integral[below].astype(np.float64)
    rows: NDArray[np.float64] = lower + (edges - below)[:, None] * (integral[below + 1] - lower)
    return rows
