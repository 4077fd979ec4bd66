"""What patches are compared by, level by level: colour and texture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.patch.core import CHANNELS, RADIUS, SIDE, VOTED, halved
from pawfect.picture import raster
from pawfect.stop import Stop, look, never

CHROMA: Final = 1.5  # of CIELAB's a and b beside L, which counts 2.55 as in OpenCV's bytes
TEXTURE: Final = 4.5
"""Of the mean slope of 7 px: without texture 0.175 in place of 0.121 ST-LPIPS on tuning photos."""
COARSEST_SIDE: Final = 13.5  # px, the most: side of the hole on the coarsest level
LEAST_SIDE: Final = 32  # px: a smaller level has no surroundings left


@dataclass(frozen=True, eq=False)
class Level:
    """A picture at one scale.

    Attributes:
        features: INT16 [H, W, VOTED]: L, a, b, texture across and down.
        hole: [H, W], to be filled.
        known: [H, W], may be copied from.
        side: the root of the area that is asked for at this scale, px.
    """

    features: NDArray[np.int16]
    hole: NDArray[np.bool_]
    known: NDArray[np.bool_]
    side: float

    @cached_property
    def allowed(self) -> NDArray[np.bool_]:
        """The middles of whole known patches, [H, W]."""
        return ~raster.grow(~self.known, RADIUS, border=True)

    def bordered(self) -> NDArray[np.int16]:
        """Return the features with RADIUS px of border, INT16 [H + 6, (W + 6) * CHANNELS].

        Zeros where nothing is known, and in the guide's channels.
        """
        height, width = self.hole.shape
        out = np.zeros((height + SIDE - 1, width + SIDE - 1, CHANNELS), np.int16)
        inner = out[RADIUS:-RADIUS, RADIUS:-RADIUS, :VOTED]
        np.copyto(inner, self.features, where=self.known[..., None])
        flat = out.reshape(out.shape[0], -1)
        renew_border(flat)
        return flat


def renew_border(f: NDArray[np.int16]) -> None:
    """Repeat the outermost pixels of bordered features into their border."""
    wide = f.reshape(f.shape[0], -1, CHANNELS)
    wide[:, :RADIUS], wide[:, -RADIUS:] = wide[:, RADIUS, None], wide[:, -RADIUS - 1, None]
    wide[:RADIUS], wide[-RADIUS:] = wide[RADIUS], wide[-RADIUS - 1]


def pyramid(
    lab: NDArray[np.uint8], hole: NDArray[np.bool_], banned: NDArray[np.bool_], stop: Stop = never
) -> list[Level]:
    """Measure a picture's features and halve it until the hole is small.

    Args:
        lab: UINT8 [H, W, 3], the picture in CIELAB as `raster.to_lab_bytes` gives it; what lies
            under the hole is not looked at.
        hole: [H, W].
        banned: [H, W], neither copied from nor compared with: where it is near the hole, it is
            filled with it, and that is for the caller to throw away.
        stop: looked at before each level.

    Returns:
        Fine to coarse, at least one level; where the first has sources, so have the others.
    """
    side = math.sqrt(np.count_nonzero(hole))
    known = ~hole & ~banned
    features = _measured(lab, known)
    levels = [_level(features, hole, banned, known, side)]
    while (side > COARSEST_SIDE or len(levels) < 2) and min(hole.shape) >= LEAST_SIDE:
        look(stop)
        features, whole = halved(features, known.view(np.uint8))
        known = whole.view(np.bool_)
        hole, banned = _any_of_four(hole), _any_of_four(banned)
        side /= 2
        level = _level(features, hole, banned & ~hole, known, side)
        if not level.allowed.any():
            break
        levels.append(level)
    return levels


def _level(
    features: NDArray[np.int16],
    hole: NDArray[np.bool_],
    banned: NDArray[np.bool_],
    known: NDArray[np.bool_],
    side: float,
) -> Level:
    return Level(features, hole | (banned & raster.grow(hole, 2 * RADIUS)), known, side)


def _any_of_four(flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    height, width = flags.shape
    even = np.pad(flags, ((0, height % 2), (0, width % 2)))
    return np.asarray(even[::2, ::2] | even[1::2, ::2] | even[::2, 1::2] | even[1::2, 1::2])


def _measured(lab: NDArray[np.uint8], seen: NDArray[np.bool_]) -> NDArray[np.int16]:
    """Measure colour and texture, INT16 [H, W, VOTED]."""
    out = np.zeros((*seen.shape, VOTED), np.int16)
    out[..., :3] = weighted(lab)
    luma = lab[..., 0]
    for channel, axis in ((3, 1), (4, 0)):
        here = (slice(None), slice(-1)) if axis else (slice(-1), slice(None))
        next_ = (slice(None), slice(1, None)) if axis else (slice(1, None), slice(None))
        both, slope = np.zeros(seen.shape, np.uint8), np.zeros(seen.shape, np.uint8)
        both[here] = seen[here] & seen[next_]
        slope[here] = cv2.absdiff(luma[next_], luma[here]) * both[here]
        total, count = _sums(slope), _sums(both)
        total *= np.float32(TEXTURE)
        out[..., channel] = np.rint(np.divide(total, np.maximum(count, 1, out=count), out=total))
    return out


def _sums(values: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Add up a patch's worth around each pixel; whole numbers, so exact, whatever their order."""
    out = cv2.boxFilter(
        values, cv2.CV_32F, (SIDE, SIDE), normalize=False, borderType=cv2.BORDER_CONSTANT
    )
    return cast("NDArray[np.float32]", out)


# By the byte of a or b.
_WEIGHTED: Final = np.rint(CHROMA * (np.arange(256) - 128)).astype(np.int16)


def weighted(lab: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Return lightness, and two colours by their weight beside it, of CIELAB: INT16 [H, W, 3]."""
    out = lab.astype(np.int16)
    out[..., 1:] = _WEIGHTED[lab[..., 1:]]
    return out
