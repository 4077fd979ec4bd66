"""Which source pixel each filled pixel comes from: found, refined, carried to finer scales, voted.

PatchMatch (Barnes et al., SIGGRAPH 2009) over descriptors in place of whole patches, all pixels at
once, so that it runs in numpy. Patches are described by the lowest frequencies of their cosine
transform: an orthogonal basis, so that distances are those of the patches but for fine grain.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pawfect.patch.level import Level
from pawfect.picture import raster

RADIUS = 3  # px: 7x7 patches; the layout comes from larger ones on the coarsest level
_LUMA = ((0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1), (0, 3), (3, 0), (2, 2),
         (1, 3), (3, 1))  # fmt: skip
_CHROMA = ((0, 0),)
LENGTH = len(_LUMA) + 2 * len(_CHROMA)


def _cosines(count: int) -> NDArray[np.float32]:
    k = np.arange(count)
    basis = np.cos(np.pi * (k[None] + 0.5) * k[:, None] / count)
    return np.asarray(basis / np.linalg.norm(basis, axis=1, keepdims=True), np.float32)


_BASIS = _cosines(2 * RADIUS + 1)


def describe(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Describe the patch around every pixel.

    Args:
        image: [H, W, 3] RGB.

    Returns:
        FLOAT32 [H * W, LENGTH]; squared distances approximate sums of squared differences.
    """
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    described = np.empty((*image.shape[:2], LENGTH), np.float32)
    luma = (red + green + blue) * np.float32(1 / np.sqrt(3))
    for i, (y, x) in enumerate(_LUMA):
        described[..., i] = raster.convolve_separable(luma, _BASIS[x], _BASIS[y])
    planes = (
        (red - blue) * np.float32(1 / np.sqrt(2)),
        (red - 2 * green + blue) * np.float32(1 / np.sqrt(6)),
    )
    for i, (plane, (y, x)) in enumerate((p, f) for p in planes for f in _CHROMA):
        described[..., len(_LUMA) + i] = raster.convolve_separable(plane, _BASIS[x], _BASIS[y])
    return described.reshape(-1, LENGTH)


@dataclass(frozen=True, slots=True)
class Correspondence:
    """Where each hole pixel of a level comes from.

    Attributes:
        shape: height and width of the level, px.
        targets: [N], flat index of each hole pixel.
        rows: [N], the source's row.
        columns: [N], the source's column.
    """

    shape: tuple[int, int]
    targets: NDArray[np.int64]
    rows: NDArray[np.int32]
    columns: NDArray[np.int32]

    def numbers(self) -> NDArray[np.int32]:
        """Give each pixel's place in `targets`, [H * W]; -1 outside the hole."""
        numbers = np.full(self.shape[0] * self.shape[1], -1, np.int32)
        numbers[self.targets] = np.arange(self.targets.size, dtype=np.int32)
        return numbers


def sources(level: Level) -> NDArray[np.bool_]:
    """Mark the pixels whose whole patch may be copied, [H, W]."""
    return ~raster.grow(~level.known | level.foreign, RADIUS, border=True)


def anywhere(level: Level, allowed: NDArray[np.bool_], rng: np.random.Generator) -> Correspondence:
    """Start from sources drawn at random."""
    targets = np.flatnonzero(level.hole)
    drawn = rng.choice(np.flatnonzero(allowed), targets.size)
    rows, columns = np.divmod(drawn.astype(np.int32), np.int32(level.shape[1]))
    return Correspondence(level.shape, targets, rows, columns)


def search(
    image: NDArray[np.float32],
    start: Correspondence,
    allowed: NDArray[np.bool_],
    rng: np.random.Generator,
    *,
    rounds: int,
    radius: int,
    strides: tuple[int, ...] = (1,),
    row_reach: float | None = None,
) -> Correspondence:
    """Find better sources: try the neighbours' offsets, then places around the present source.

    Args:
        image: [H, W, 3], filled.
        start: the correspondence to improve.
        allowed: [H, W], what may be a source.
        rng: drawn from in a fixed order.
        rounds: how often every pixel tries.
        radius: px around the present source in which to draw, thirded until below 1.
        strides: distances, px, of the neighbours whose offsets are tried.
        row_reach: rows, px, over which a source grows as bad as one drawn at random; None: rows
            do not matter.
    """
    height, width = start.shape
    described = describe(image)
    wanted = described[start.targets]
    numbers = start.numbers()
    own_rows, own_columns = (a.astype(np.int32) for a in np.divmod(start.targets, width))
    rows, columns = start.rows.copy(), start.columns.copy()
    may = allowed.ravel()
    row_cost = np.float32(0)
    if row_reach is not None:
        row_cost = np.float32(2 * described[may].var(0).sum() / row_reach**2)

    def distance(i: NDArray[np.int64], flat: NDArray[np.int64]) -> NDArray[np.float32]:
        difference = described[flat]
        difference -= wanted[i]
        apart = np.asarray(np.einsum("ij,ij->i", difference, difference))
        if row_reach is not None:
            apart += row_cost * np.square((flat // width - own_rows[i]).astype(np.float32))
        return apart

    everyone = np.arange(start.targets.size)
    best = distance(everyone, rows.astype(np.int64) * width + columns)

    def consider(new_rows: NDArray[np.int32], new_columns: NDArray[np.int32]) -> None:
        inside = (new_rows >= 0) & (new_rows < height) & (new_columns >= 0) & (new_columns < width)
        inside &= (new_rows != rows) | (new_columns != columns)
        i = np.flatnonzero(inside)
        flat = new_rows[i].astype(np.int64) * width + new_columns[i]
        keep = may[flat]
        i, flat = i[keep], flat[keep]
        found = distance(i, flat)
        better = found < best[i]
        i = i[better]
        best[i], rows[i], columns[i] = found[better], new_rows[i], new_columns[i]

    for _ in range(rounds):
        for stride in strides:
            for dy, dx in ((0, stride), (0, -stride), (stride, 0), (-stride, 0)):
                beside = _neighbours(numbers, own_rows + dy, own_columns + dx, start.shape)
                there = np.where(beside < 0, everyone, beside)
                shift = (beside >= 0).astype(np.int32)
                consider(rows[there] - dy * shift, columns[there] - dx * shift)
        reach = radius
        while reach >= 1:
            step = rng.integers(-reach, reach + 1, (2, everyone.size), np.int32)
            consider(rows + step[0], columns + step[1])
            reach //= 3
    return Correspondence(start.shape, start.targets, rows, columns)


def vote(
    image: NDArray[np.float32], correspondence: Correspondence, *, radius: int, sigma: float
) -> NDArray[np.float32]:
    """Give each hole pixel the mean of what the patches that cover it hold there.

    Args:
        image: [H, W, 3]; only sources are read.
        correspondence: where patches come from.
        radius: of the middles of patches that vote, px; at most RADIUS, so that all they hold
            is known.
        sigma: of the Gaussian that weighs them, px: where neighbours come from one place the
            vote is an exact copy, and across a seam between two copies it is a blend this wide.

    Returns:
        FLOAT32 [N, 3], in the order of the correspondence's targets.
    """
    own_rows, own_columns = np.divmod(correspondence.targets, correspondence.shape[1])
    top, left = own_rows.min() - radius, own_columns.min() - radius
    at = (own_rows - top, own_columns - left)
    size = (own_rows.max() - top + radius + 1, own_columns.max() - left + radius + 1)
    places = np.zeros((*size, 2), np.int16)
    places[at] = np.stack([correspondence.columns, correspondence.rows], -1)
    inside = np.zeros(size, np.float32)
    inside[at] = 1
    total, weights = np.zeros((*size, 3), np.float32), np.zeros(size, np.float32)
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            weight = np.float32(np.exp(-(dy * dy + dx * dx) / (2 * sigma * sigma)))
            share = weight * inside
            held = raster.fetch(image, places + np.array([dx, dy], np.int16)) * share[..., None]
            onto, out_of = _shifted(size, dy, dx), _shifted(size, -dy, -dx)
            total[onto] += held[out_of]
            weights[onto] += share[out_of]
    return np.asarray(total[at] / weights[at][:, None], np.float32)


def _shifted(size: tuple[int, int], dy: int, dx: int) -> tuple[slice, slice]:
    """Index what stays in a picture of this size when it is moved by (dy, dx)."""
    height, width = size
    return (
        slice(max(0, dy), height + min(0, dy)),
        slice(max(0, dx), width + min(0, dx)),
    )


def upscaled(
    coarse: Correspondence,
    level: Level,
    allowed: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Correspondence:
    """Carry offsets, not pixels, to a finer level: the copies there are as sharp as the photo.

    Args:
        coarse: of the level below, whose hole covers this one's.
        level: the finer level.
        allowed: [H, W], what may be a source on it; a source that is not is drawn anew.
        rng: for those.
    """
    height, width = level.shape
    scale_y, scale_x = height / coarse.shape[0], width / coarse.shape[1]
    targets = np.flatnonzero(level.hole)
    own_rows, own_columns = np.divmod(targets, width)
    below_rows = np.minimum((own_rows / scale_y).astype(np.int64), coarse.shape[0] - 1)
    below_columns = np.minimum((own_columns / scale_x).astype(np.int64), coarse.shape[1] - 1)
    below = np.maximum(coarse.numbers()[below_rows * coarse.shape[1] + below_columns], 0)
    rows = own_rows + np.rint((coarse.rows[below] - below_rows) * scale_y)
    columns = own_columns + np.rint((coarse.columns[below] - below_columns) * scale_x)
    rows = np.clip(rows, 0, height - 1).astype(np.int32)
    columns = np.clip(columns, 0, width - 1).astype(np.int32)
    lost = np.flatnonzero(~allowed[rows, columns])
    drawn = rng.choice(np.flatnonzero(allowed), lost.size)
    rows[lost], columns[lost] = np.divmod(drawn, width)
    return Correspondence(level.shape, targets, rows, columns)


def _neighbours(
    numbers: NDArray[np.int32],
    rows: NDArray[np.int64] | NDArray[np.int32],
    columns: NDArray[np.int64] | NDArray[np.int32],
    shape: tuple[int, int],
) -> NDArray[np.int32]:
    """Look up the places of these pixels among the targets; -1 outside the hole or level."""
    inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
    flat = np.where(inside, rows.astype(np.int64) * shape[1] + columns, 0)
    return np.where(inside, numbers[flat], np.int32(-1))
