"""The fill's texture and tone against the best-matching parts of its ring.

A hole between two surfaces is filled right by either: so each block of the fill is compared with
the block of the ring that is most like it, not with the ring's mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.picture import raster
from pawfect.scores.closeup import Closeup

# Side of a block, px: it holds several grains of lawn or gravel.
BLOCK_PX: Final = 13
# Least of a block that must lie on its own side to count.
_LEAST_SHARE: Final = 0.6
# About as many blocks are looked at on either side; distances of all pairs are then a few ms.
_BLOCKS: Final = 400
_LEAST_STEP_PX: Final = 6
# Fewer blocks have no usual distance.
_LEAST_BLOCKS: Final = 6
# Blocks of the ring nearer to each other than this share of a block are no two samples.
_APART: Final = 1.5
# Squared levels of L (0-100): what grain and rounding leave; it keeps logs of flat blocks finite.
_LEAST_ENERGY: Final = 0.05
# CIE76 per hole size: what a tone costs that is found so far away. Without it a fill that is laid
# the wrong way round has all the right tones.
_PLACE_PER_SIZE: Final = 20.0


@dataclass(frozen=True, eq=False)
class Blocks:
    """Blocks of one side of the outline.

    Attributes:
        places: FLOAT32 [N, 2], row and column of the middle, px.
        textures: FLOAT32 [N, 9], logs of energies by band and direction, and which way they slant.
        tones: FLOAT32 [N, 3], mean CIELAB.
    """

    places: NDArray[np.float32]
    textures: NDArray[np.float32]
    tones: NDArray[np.float32]


def blocks_of(close: Closeup) -> tuple[Blocks, Blocks] | None:
    """Return the blocks of the fill and those of its ring, or None where there are too few."""
    lab = raster.to_lab(close.image)
    energies = _energies(np.ascontiguousarray(lab[..., 0]))
    fill, ring = (_blocks(lab, energies, side) for side in (close.inside, close.ring))
    if not len(fill.places) or len(ring.places) < _LEAST_BLOCKS:
        return None
    return fill, ring


def texture_excess(fill: Blocks, ring: Blocks) -> float | None:
    """Return how much less the fill's blocks are like the ring's than those are like each other.

    Returns:
        A difference of mean distances to the nearest block, in logs of energy: 0.7 is a doubling
        in one band; None where the ring's blocks are too near to each other.
    """
    return _excess(fill, ring, fill.textures, ring.textures)


def tone_excess(fill: Blocks, ring: Blocks) -> float | None:
    """Return how much farther the fill's tones are from the ring's than those are from each other.

    Returns:
        CIE76; None as for textures.
    """
    return _excess(fill, ring, fill.tones, ring.tones)


def layout_excess(fill: Blocks, ring: Blocks, size: float) -> float | None:
    """Return how much farther away the fill's tones recur than the ring's own do.

    Args:
        fill: blocks of the fill.
        ring: blocks of the ring.
        size: square root of the hole's area in the closeup, px.

    Returns:
        CIE76, with the distance in the picture counted in; None as for textures.
    """
    per_px = np.float32(_PLACE_PER_SIZE / max(size, 1.0))
    inner, outer = (np.concatenate([s.tones, s.places * per_px], 1) for s in (fill, ring))
    return _excess(fill, ring, inner, outer)


def _excess(
    fill: Blocks, ring: Blocks, inner: NDArray[np.float32], outer: NDArray[np.float32]
) -> float | None:
    between = _distances(outer, outer)
    between[_distances(ring.places, ring.places) < _APART * BLOCK_PX] = np.inf
    usual = between.min(1)
    if not np.isfinite(usual).any():
        return None
    return float(nearest(inner, outer).mean() - usual[np.isfinite(usual)].mean())


def nearest(inner: NDArray[np.float32], outer: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the distance [N] of each row of [N, D] to the nearest row of [M, D]."""
    return np.asarray(_distances(inner, outer).min(1))


def _distances(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the Euclidean distances of all pairs, [N, M]."""
    a, b = one.astype(np.float64), other.astype(np.float64)
    squared = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)))


def _energies(lightness: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return [h, w, 9]: squared gradients and their product at two scales, and three bands."""
    planes = []
    for blur in (lightness, cv2.GaussianBlur(lightness, (0, 0), 2.0)):
        across = cv2.Sobel(blur, cv2.CV_32F, 1, 0, ksize=3) / 8
        down = cv2.Sobel(blur, cv2.CV_32F, 0, 1, ksize=3) / 8
        planes += [across**2, down**2, across * down]
    fine, middle, coarse = (cv2.GaussianBlur(lightness, (0, 0), s) for s in (1.0, 2.0, 4.0))
    planes += [(lightness - fine) ** 2, (fine - middle) ** 2, (middle - coarse) ** 2]
    return np.dstack(planes).astype(np.float32)


def _blocks(
    lab: NDArray[np.float32], energies: NDArray[np.float32], side: NDArray[np.bool_]
) -> Blocks:
    step = max(_LEAST_STEP_PX, int(np.sqrt(np.count_nonzero(side) / _BLOCKS)))
    weight = side.astype(np.float32)
    share = _box_mean(weight)
    on_grid = np.zeros_like(side)
    on_grid[step // 2 :: step, step // 2 :: step] = True
    rows, columns = np.nonzero(on_grid & side & (share >= _LEAST_SHARE))
    own = share[rows, columns][:, None]

    def means(planes: NDArray[np.float32]) -> NDArray[np.float32]:
        chosen = [_box_mean(plane * weight)[rows, columns] for plane in np.moveaxis(planes, -1, 0)]
        return np.asarray(np.stack(chosen, 1) / own, np.float32)

    places = np.stack([rows, columns], 1).astype(np.float32)
    return Blocks(places, _textures(means(energies)), means(lab))


def _textures(energy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return logs of a block's energies, and in (-0.5, 0.5) which way its gradients slant."""
    logs = 0.5 * np.log(np.maximum(energy[:, [0, 1, 3, 4, 6, 7, 8]], 0) + _LEAST_ENERGY)
    # 0.3: where there is hardly a gradient it slants nowhere.
    slants = []
    for n in (0, 3):
        # A running sum's rounding may leave less than nothing.
        both = np.sqrt(np.maximum(energy[:, n] * energy[:, n + 1], 0))
        slants.append(0.5 * energy[:, n + 2] / (both + 0.3))
    return np.asarray(np.concatenate([logs, np.stack(slants, 1)], 1), np.float32)


def _box_mean(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    out = cv2.blur(plane, (BLOCK_PX, BLOCK_PX), borderType=cv2.BORDER_CONSTANT)
    return np.asarray(out, np.float32)
