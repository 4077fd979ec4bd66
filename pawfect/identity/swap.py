"""One face of a photo drawn anew with another identity, still in its aligned square."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.clock import Stage, unmeasured
from pawfect.contract.errors import invalid
from pawfect.contract.faces import CENTERFACE, Face
from pawfect.identity.alignment import aligned, alignment
from pawfect.identity.colour import matched
from pawfect.identity.inswapper import Swapper
from pawfect.identity.interleaved import put_together, taken_apart
from pawfect.stop import Stop, never

# Of the five points: how many must lie in the photo. A face that the border cuts has some outside.
LEAST_INSIDE: Final = 3


@dataclass(frozen=True, eq=False)
class DrawnFace:
    """A face in its square.

    Attributes:
        matrix: FP64 [2, 3], the photo's x and y to the square's.
        seen: UINT8 [S, S, 3] RGB, the photo's face as the network saw it.
        drawn: FP32 [S, S, 3] RGB, 0-255, as the network drew it.
    """

    matrix: NDArray[np.float64]
    seen: NDArray[np.uint8]
    drawn: NDArray[np.float32]

    @property
    def square(self) -> NDArray[np.uint8]:
        """The drawn face as `INSwapper.get` returns it, but in RGB: cut off, not rounded."""
        return np.clip(self.drawn, 0, 255).astype(np.uint8)


def draw_face(
    photo: NDArray[np.uint8],
    points: NDArray[np.float32],
    embedding: NDArray[np.float32],
    swapper: Swapper,
    side: int,
    stop: Stop = never,
    stage: Stage = unmeasured,
) -> DrawnFace:
    """Draw a face of a photo anew, with the identity of an embedding.

    Args:
        photo: UINT8 [H, W, 3] RGB.
        points: FP32 [5, 2], px, as `pawfect.contract.faces.Face` has them.
        embedding: FP32 [512] of ArcFace.
        swapper: draws.
        side: of the square, px: 128, 256 or 512.
        stop: ends the run.
        stage: measures the stages align and swap.

    Raises:
        PawfectError: INVALID_ARG for points that are no face's or lie outside of the photo, for a
            face that is too small, and for an embedding that is none; otherwise as `Swapper.draw`.
        MemoryError: there is not enough for it.
    """
    check_inside(points, photo)
    latent = swapper.latent(embedding)
    with stage("align"):
        matrix = alignment(points, side)
        seen = aligned(photo, matrix, side)
    with stage("swap"):
        drawn = np.stack([swapper.draw(part, latent, stop) for part in taken_apart(seen)])
    return DrawnFace(matrix, seen, put_together(drawn))


def in_scene(face: DrawnFace, before: NDArray[np.bool_]) -> DrawnFace:
    """Return a drawn face in the light of its scene, see `pawfect.identity.colour`.

    Args:
        face: as it was drawn.
        before: [H, W] of the photo, what lies before the face and says nothing of its colour.
    """
    side = len(face.seen)
    seen = np.where(before, np.uint8(0), np.uint8(255))
    # Black outside of the photo, too.
    visible = aligned(seen, face.matrix, side) == np.iinfo(np.uint8).max
    return replace(face, drawn=matched(face.seen, face.drawn, visible))


def five_points(points: NDArray[np.float32]) -> Face:
    """Return the face of which nothing is known but its five points, FP32 [5, 2]."""
    nothing = np.zeros((0, 2), np.float32)
    box = np.concatenate([points.min(axis=0), points.max(axis=0)])
    return Face(CENTERFACE, box, 1.0, points, nothing, nothing[:, 0])


def check_inside(points: NDArray[np.float32], photo: NDArray[np.uint8]) -> None:
    """Raise INVALID_ARG unless enough of the five points are finite and lie in the photo."""
    height, width = photo.shape[:2]
    if not np.isfinite(points).all():
        raise invalid("POINTS", "finite numbers", "some that are not")
    inside = ((points >= 0) & (points <= (width - 1, height - 1))).all(axis=1).sum()
    if inside < LEAST_INSIDE:
        expected = f"at least {LEAST_INSIDE} of 5 within the photo of {width} x {height} px"
        raise invalid("POINTS", expected, f"{inside}")
