"""Where a face lies in a photo: the hull of its landmarks, or what its five points say of it.

In the face's own frame lengths are shares of the way from the middle of the eyes to the middle of
the mouth, along that way and along the eyes. The shares are read off seven faces of two public
photos, marked by hand (tests/pawfect/identity/marked.toml).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.faces import Face

# Above the middle of the eyes. The upper edges of brows lie 0.21 to 0.47 above it; less than that,
# since a detector's eyes lie up to 0.08 beside those marked.
BROWS: Final = 0.19
# Below the middle of the eyes: chins lie at 1.70 to 2.02.
CHIN: Final = 1.80
# Half the width: 0.90 to 1.24, less where eyes and mouth look narrow since the face is turned.
_HALF_WIDTH: Final = 0.80
_WIDTH_BY_EYES: Final = 0.30
# Of the lower half: jaws are fuller than an ellipse's end.
_JAW: Final = 2.25
# How far the middle moves away from the tip of the nose, by how far that is off the middle line: a
# turned face shows more of the cheek behind.
_TURNED: Final = 1.5
# By how much, of that, the top falls for each 1 outside of the near eye: there it is the temple's,
# and a turned face's eyes are the worse a guide to it.
_FALLING: Final = 1.3
# The largest share: beyond it the points are no face's.
_MOST_TURNED: Final = 0.7
# px: as far outside of the photo as points are followed. With the widest photo's 16,384 it stays
# within the 16 bits in which OpenCV's rasters count.
_OUTSIDE_PX: Final = 16_000


@dataclass(frozen=True, eq=False)
class Frame:
    """A face's own coordinates.

    Attributes:
        origin: FP64 [2], px, the middle of the eyes.
        across: FP64 [2], px, along the eyes to the picture's right.
        down: FP64 [2], px, to the middle of the mouth; as long as `across`.
    """

    origin: NDArray[np.float64]
    across: NDArray[np.float64]
    down: NDArray[np.float64]

    @property
    def unit(self) -> float:
        """Length of the frame's 1, px."""
        return float(np.hypot(*self.down))

    def shares(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return positions [..., 2], px, as shares [..., 2] across and down."""
        to_px = np.column_stack([self.across, self.down])
        return np.asarray((positions - self.origin) @ np.linalg.inv(to_px).T, np.float64)


def frame_of(points: NDArray[np.float32]) -> Frame | None:
    """Return the frame of five points [5, 2]; None where they span none, and are no face's."""
    at = points.astype(np.float64)
    if not np.isfinite(at).all():
        return None
    origin, mouth = at[:2].mean(axis=0), at[3:].mean(axis=0)
    down, eyes = mouth - origin, at[1] - at[0]
    length, apart = float(np.hypot(*down)), float(np.hypot(*eyes))
    if min(length, apart) < 1:
        return None
    across = eyes * length / apart
    # Of a face the eyes run across the way to the mouth, the left one on its left.
    if across[0] * down[1] - across[1] * down[0] < 0.3 * length**2:
        return None
    return Frame(origin, across, down)


def face_shape(face: Face, height: int, width: int) -> NDArray[np.bool_]:
    """Return where a face lies, from the brows to the chin, without hair above.

    Args:
        face: the face.
        height: of the photo, px.
        width: of the photo, px.

    Returns:
        Flags [height, width]: the hull of all its landmarks, which end at the brows; of an ellipse
        by the five points and of these where it has none.
    """
    if len(face.landmarks):
        return hull(np.concatenate([face.landmarks, face.points]), height, width)
    shape = hull(face.points, height, width)
    frame = frame_of(face.points)
    return shape if frame is None else shape | _ellipse(frame, face.points, height, width)


def hull(points: NDArray[np.float32], height: int, width: int) -> NDArray[np.bool_]:
    """Return the convex hull of points [N, 2], px, as flags [height, width]."""
    flags = np.zeros((height, width), np.uint8)
    known = points[np.isfinite(points).all(axis=1)]
    if len(known):
        far = np.array((width, height)) + _OUTSIDE_PX
        near = np.clip(np.rint(known), -_OUTSIDE_PX, far).astype(np.int32)
        cv2.fillConvexPoly(flags, cv2.convexHull(near), (1,))
        # Those of two or three points in a line have no inside.
        within = near[((near >= 0) & (near < (width, height))).all(axis=1)]
        flags[within[:, 1], within[:, 0]] = 1
    return flags > 0


def _ellipse(
    frame: Frame, points: NDArray[np.float32], height: int, width: int
) -> NDArray[np.bool_]:
    """Return where brows to chin are, by two halves that meet at the eyes.

    Up to the brows half an ellipse, down to the chin half a superellipse.
    """
    across, down = frame.shares(points.astype(np.float64)).T
    apart, mouth = across[1] - across[0], across[4] - across[3]
    half = _HALF_WIDTH + _WIDTH_BY_EYES * min((apart + mouth) / 2, 1.3)
    off = float(np.clip(across[2] - down[2] * (across[3] + across[4]) / 2, -1, 1))
    middle = float(np.clip(-_TURNED * off, -_MOST_TURNED, _MOST_TURNED))
    # Where the ellipse may be at all: its reach in px to all sides.
    reach = (half + abs(middle) + CHIN) * max(np.hypot(*frame.across), frame.unit)
    left, top = np.maximum(np.floor(frame.origin - reach), 0).astype(int)
    right, bottom = np.minimum(np.ceil(frame.origin + reach) + 1, (width, height)).astype(int)
    flags = np.zeros((height, width), np.bool_)
    if left >= right or top >= bottom:
        return flags
    grid = np.stack(np.meshgrid(np.arange(left, right), np.arange(top, bottom)), axis=-1)
    x, y = np.moveaxis(frame.shares(grid.astype(np.float64)), -1, 0)
    outward = np.abs(x - middle) / half
    jaw = (y >= 0) & (outward**_JAW + (np.maximum(y, 0) / CHIN) ** _JAW <= 1)
    falling = _FALLING * abs(off) * np.maximum(-np.sign(off) * x - apart / 2, 0)
    brows = (y < 0) & (outward**2 + (y / BROWS) ** 2 <= 1) & (y >= falling - BROWS)
    flags[top:bottom, left:right] = jaw | brows
    return flags
