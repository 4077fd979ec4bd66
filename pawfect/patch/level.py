"""One piece of the photo at one scale: what is known, what is to be filled, what is left alone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pawfect.picture import raster


@dataclass(frozen=True, slots=True)
class Level:
    """A crop of the photo at some scale.

    Attributes:
        image: UINT8 [H, W, 3] RGB; what lies under the hole is never read.
        hole: [H, W], to be filled.
        banned: [H, W], kept, but neither copied from nor matched in colour; not in the hole.
        foreign: [H, W], known, but too unlike what surrounds the hole to be copied from.
        detail: FLOAT32 [H, W], the logarithm of how strong fine detail is at full size; it says
            nothing in the hole.
    """

    image: NDArray[np.uint8]
    hole: NDArray[np.bool_]
    banned: NDArray[np.bool_]
    foreign: NDArray[np.bool_]
    detail: NDArray[np.float32]

    @property
    def known(self) -> NDArray[np.bool_]:
        """What the fill may learn from, [H, W]."""
        return ~self.hole & ~self.banned

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, px."""
        return self.hole.shape[0], self.hole.shape[1]

    @property
    def hole_side(self) -> float:
        """Side, px, of a square with the hole's area."""
        return float(np.sqrt(np.count_nonzero(self.hole)))

    @property
    def hole_width(self) -> float:
        """Diameter, px, of the largest disc in the hole."""
        padded = np.pad(self.hole, 1)
        return 2 * float(raster.distance_to(~padded).max())

    @property
    def rim_width(self) -> float:
        """Diameter, px, of the largest disc of known surroundings."""
        return 2 * float(raster.distance_to(~np.pad(self.known, 1)).max())

    def shrunk(self, factor: float) -> "Level":
        """Shrink by averaging the known pixels; a pixel that touches the hole belongs to it."""
        if factor <= 1:
            return self
        height, width = self.shape
        return self.resized((max(1, round(height / factor)), max(1, round(width / factor))))

    def resized(self, size: tuple[int, int]) -> "Level":
        """Shrink to (height, width), as `shrunk` does."""
        if size == self.shape:
            return self
        hole = raster.shrink_any(self.hole, size)
        banned = raster.shrink_any(self.banned, size) & ~hole
        foreign = raster.shrink_any(self.foreign, size) & ~hole
        known = self.known
        source = known if known.any() else ~self.hole
        weight = source.astype(np.float32)[..., None]
        share = raster.box_mean_resize(weight, size)
        total = raster.box_mean_resize(self.image * weight, size)
        mean = total / np.maximum(share, 1e-6)
        # Banned pixels keep their place in the picture; no one copies them, but they are shown.
        plain = raster.shrink(self.image, size)
        image = np.where(share > 1e-6, raster.to_pixels(mean), plain)
        detail = raster.box_mean_resize(self.detail[..., None], size)[..., 0]
        return Level(image, hole, banned, foreign, detail)


def pyramid(full: Level, coarsest: Level) -> list[Level]:
    """List the scales from just above `coarsest` up to `full`, each at most twice the one before.

    Args:
        full: the crop itself.
        coarsest: the same crop, shrunk.

    Returns:
        Coarse to fine, `full` last; empty if the two are the same size.
    """
    levels: list[Level] = []
    level = full
    while max(level.shape) > max(coarsest.shape):
        levels.append(level)
        height, width = level.shape
        # A step of less than 1.25 is not worth a level of its own.
        if max(level.shape) <= 2.5 * max(coarsest.shape):
            break
        level = level.resized(((height + 1) // 2, (width + 1) // 2))
    return levels[::-1]
