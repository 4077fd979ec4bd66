"""The faces of `marked.toml`: what was marked by hand, and how high a mask may reach."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.faces import CENTERFACE, Face
from tests.pawfect.identity.photos import PHOTOS

TABLES = tomllib.loads(Path(__file__).with_name("marked.toml").read_text("utf-8"))["face"]


@dataclass(frozen=True, eq=False)
class Marked:
    photo: NDArray[np.uint8]
    face: Face
    brows: NDArray[np.float64]
    outline: NDArray[np.float64]

    @property
    def middle(self) -> NDArray[np.float64]:
        return self.face.points[:2].mean(axis=0).astype(float)

    def above_brows(self, flags: NDArray[np.bool_]) -> float:
        """How far set pixels reach over the brows, px; negative: they stay below.

        Measured across the line through the eyes. Between the brows their line is the straight one
        from one to the other, beside them it goes on at the height of their ends.
        """
        eyes = (self.face.points[1] - self.face.points[0]).astype(float)
        along = eyes / np.hypot(*eyes)
        up = np.array([along[1], -along[0]])
        x, y = (self.brows - self.middle) @ along, (self.brows - self.middle) @ up
        corners = cv2.convexHull(np.column_stack([x, y]).astype(np.float32))[:, 0]
        rows, columns = np.nonzero(flags)
        at = np.column_stack([columns, rows]) - self.middle
        line = upper_line(corners, at @ along)
        return float((at @ up - line).max())

    @property
    def by_hand(self) -> NDArray[np.bool_]:
        """The face from brows to chin, as it was marked."""
        flags = np.zeros(self.photo.shape[:2], np.uint8)
        corners = np.concatenate([self.brows, self.outline[::-1]])
        cv2.fillPoly(flags, [np.rint(corners).astype(np.int32)], (1,))
        return flags > 0


def upper_line(corners: NDArray, x: NDArray) -> NDArray[np.float64]:
    """The upper side of a convex polygon at x; beside it at the height of its ends."""
    first, last = corners[corners[:, 0].argmin()], corners[corners[:, 0].argmax()]
    line = np.full(x.shape, -np.inf)
    for one, other in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        (x0, y0), (x1, y1) = sorted((tuple(one), tuple(other)))
        if x1 > x0:
            height = y0 + (x - x0) * (y1 - y0) / (x1 - x0)
            line = np.where((x >= x0) & (x <= x1), np.maximum(line, height), line)
    return np.where(x < first[0], first[1], np.where(x > last[0], last[1], line))


def by_points(
    points: NDArray, box: NDArray | None = None, landmarks: NDArray | None = None
) -> Face:
    """A face of the kind that has no more than these."""
    points = np.asarray(points, np.float32)
    if box is None:
        box = np.concatenate([points.min(axis=0), points.max(axis=0)])
    none = np.zeros((0, 2), np.float32)
    marks = none if landmarks is None else np.asarray(landmarks, np.float32)
    return Face(CENTERFACE, np.asarray(box, np.float32), 1.0, points, marks, none[:, 0])


def marked() -> list[Marked]:
    found = []
    for table in TABLES:
        outline = np.array(table["outline"])
        box = np.concatenate([outline.min(axis=0), outline.max(axis=0)])
        face = by_points(np.array(table["points"]), box)
        brows = np.concatenate([np.array(brow) for brow in table["brows"]])
        found.append(Marked(PHOTOS[table["photo"]](), face, brows, outline))
    return found


MARKED = marked()
