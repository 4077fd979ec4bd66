"""Which fill to believe, judged without the truth.

Two witnesses. Holes of the same shape are made next to the real one, where the truth is known, and
each method fills them: how far off are its contrasts, their directions and its colours? And in the
real hole: is there as much detail as around it, seen small and in what is copied at full size? A
method that invents a flat blob, or copies a busy object into a calm surface, fails the second even
where the first likes it. All are logarithms, and are summed.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pawfect.patch.candidates import METHODS, Candidate, methods_for
from pawfect.patch.level import Level
from pawfect.picture import raster
from pawfect.picture.tone import blur_known, membrane

REHEARSALS = 2
REHEARSAL_SCALE = 0.5
"""Of the hole's size: together half of its area. Three at 0.55 cost more and chose no better."""
_GAP = 6  # px kept between holes, so that each has a rim
_LEAST_SIDE = 8  # px: a smaller rehearsal says nothing
_SCALES = 3
_SOURCE_WEIGHT = 0.5
"""Where the two tell of the same detail it is not to count twice: 0.25 and 0.5 choose alike on 25
scenes, 1 worse."""
_RING = 8  # px: wide enough to average over a texture's grains, near enough to be like the hole


def rehearsals(level: Level) -> list[NDArray[np.bool_]]:
    """Place small copies of the hole in the known surroundings, as near to it as they fit.

    Returns:
        Up to REHEARSALS masks [H, W], disjoint; none where there is no room.
    """
    shape = level.hole[raster.surrounding(level.hole, 0)]
    size = (
        max(1, round(shape.shape[0] * REHEARSAL_SCALE)),
        max(1, round(shape.shape[1] * REHEARSAL_SCALE)),
    )
    small = raster.shrink_any(shape, size)
    if min(size) < _LEAST_SIDE:
        return []
    height, width = level.shape
    away = raster.distance_to(level.hole)
    blocked = ~level.known | level.foreign
    placed: list[NDArray[np.bool_]] = []
    for _ in range(REHEARSALS):
        corners = raster.room_for(blocked, (size[0] + 2 * _GAP, size[1] + 2 * _GAP))
        if not corners.any():
            break
        middle = away[_GAP + size[0] // 2 :, _GAP + size[1] // 2 :]
        nearest = np.where(corners, middle[: corners.shape[0], : corners.shape[1]], np.inf)
        y, x = divmod(int(nearest.argmin()), corners.shape[1])
        mask = np.zeros((height, width), np.bool_)
        mask[y + _GAP : y + _GAP + size[0], x + _GAP : x + _GAP + size[1]] = small
        placed.append(mask)
        blocked = blocked | raster.grow(mask, _GAP)
    return placed


def disagreement(
    filled: NDArray[np.uint8], truth: NDArray[np.uint8], hole: NDArray[np.bool_]
) -> float:
    """Say how unlike two pictures are as textures, whatever the place of each blade of grass.

    At each of three scales, local contrast per CIELAB channel, the direction of local gradients
    and local mean colour are compared; over known holes this ranks fills as ST-LPIPS does (rank
    correlation 0.8).

    Args:
        filled: UINT8 [H, W, 3] RGB.
        truth: UINT8 [H, W, 3].
        hole: [H, W], where to compare.

    Returns:
        0 for the same texture, about 1 for nothing in common.
    """
    around = raster.surrounding(hole, 16)
    one, other = raster.to_lab(filled[around]), raster.to_lab(truth[around])
    share = hole[around].astype(np.float32)[..., None]
    errors: list[float] = []
    for _ in range(_SCALES):
        inside = share[..., 0] > 0.5
        if not inside.any():
            break
        errors.append(float(_unlike(one, other)[inside].mean()))
        size = ((inside.shape[0] + 1) // 2, (inside.shape[1] + 1) // 2)
        one, other, share = (raster.box_mean_resize(a, size) for a in (one, other, share))
    return float(np.mean(errors))


def _unlike(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compare two CIELAB pictures around every pixel, FLOAT32 [H, W]."""
    reach = 3.75  # px, a Gaussian's sigma: a neighbourhood of some 15 px
    low, other_low = raster.gaussian(one, 1.0), raster.gaussian(other, 1.0)
    contrast = np.sqrt(raster.gaussian((one - low) ** 2, reach) + 1e-4)
    other_contrast = np.sqrt(raster.gaussian((other - other_low) ** 2, reach) + 1e-4)
    contrasts = np.abs(contrast - other_contrast) / (contrast + other_contrast + 1)
    direction = _directions(low[..., 0], reach)
    other_direction = _directions(other_low[..., 0], reach)
    strength = direction[..., :2].sum(-1) + other_direction[..., :2].sum(-1)
    directions = np.abs(direction - other_direction).sum(-1) / (strength + 0.5)
    colour = np.abs(raster.gaussian(one, reach) - raster.gaussian(other, reach)).sum(-1)
    return np.asarray(contrasts.mean(-1) + directions + 0.5 * colour / (colour + 10))


def _directions(luma: NDArray[np.float32], reach: float) -> NDArray[np.float32]:
    """Give the structure tensor's three parts, FLOAT32 [H, W, 3]."""
    down, across = np.gradient(luma)
    parts = np.stack([across * across, down * down, across * down], -1)
    return raster.gaussian(parts.astype(np.float32), reach)


def detail_ratio(image: NDArray[np.uint8], level: Level) -> float:
    """Compare local contrast in the hole with that around it, at half the scale.

    Returns:
        The natural logarithm of inside over outside, of the upper quartiles: 0 is best.
    """
    size = ((level.shape[0] + 1) // 2, (level.shape[1] + 1) // 2)
    small = level.resized(size)
    ring = small.known & (raster.distance_to(small.hole) <= 6 + max(6.0, small.hole_width / 3))
    if not ring.any():
        return 0.0
    luma = raster.shrink(image, size).astype(np.float32).mean(2)
    mean = raster.gaussian(luma, 2.0)
    contrast = np.sqrt(np.maximum(raster.gaussian(luma * luma, 2.0) - mean * mean, 0))
    # 0.5 of 255 levels, what rounding leaves: below it there is no detail to compare.
    inside, outside = np.percentile(contrast[small.hole], 75), np.percentile(contrast[ring], 75)
    return float(np.log((inside + 0.5) / (outside + 0.5)))


def source_detail_ratio(candidate: Candidate, level: Level) -> float:
    """Compare the full-size detail of what is copied with that around the hole.

    Seen small, a lawn out of focus passes for a sharp one; the copies will not, at full size.

    Returns:
        The natural logarithm of the sources' over the ring's, the ring's spanned across the hole:
        0 is best, and the answer where nothing is copied.
    """
    found = candidate.correspondence
    if found is None:
        return 0.0
    ring = level.known & raster.grow(level.hole, _RING)
    if not ring.any():
        return 0.0
    near, _ = blur_known(level.detail[..., None], ring, _RING / 2)
    spanned = membrane(near, ring)[..., 0]
    return float((level.detail[found.rows, found.columns] - spanned[level.hole]).mean())


def choose(level: Level, seed: int) -> tuple[str, Candidate, Mapping[str, float]] | None:
    """Fill a level by every method and take the one that agrees best with its surroundings.

    Args:
        level: small enough to be filled several times.
        seed: 0 to 2**63 - 1.

    Returns:
        The method's name, its fill and every method's score, lower is better; None where no
        method can fill the level.
    """
    placed = rehearsals(level)
    rehearsal = _rehearsal(level, placed)
    fills: dict[str, Candidate] = {}
    scores: dict[str, float] = {}
    for name in methods_for(level):
        fill, _ = METHODS[name]
        candidate = fill(level, seed)
        if candidate is None:
            continue
        fills[name] = candidate
        scores[name] = abs(detail_ratio(candidate.image, level))
        scores[name] += _SOURCE_WEIGHT * abs(source_detail_ratio(candidate, level))
        if placed:
            shown = fill(rehearsal, seed)
            errors = [
                9.0 if shown is None else disagreement(shown.image, level.image, mask)
                for mask in placed
            ]
            scores[name] += float(np.log(np.array(errors) + 0.02).mean())
    if not fills:
        return None
    best = min(scores, key=lambda name: scores[name])
    return best, fills[best], scores


def _rehearsal(level: Level, placed: list[NDArray[np.bool_]]) -> Level:
    hole = np.logical_or.reduce(placed) if placed else np.zeros_like(level.hole)
    banned = (level.banned | level.hole) & ~hole
    return replace(level, hole=hole, banned=banned, foreign=level.foreign & ~hole)
