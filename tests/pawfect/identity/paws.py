"""Paws before faces: strips of a cat's fur laid over the marked faces, from outside inwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

from pawfect.contract.faces import Face
from pawfect.identity.shape import frame_of
from tests.pawfect.identity.marked import MARKED, by_points

# The fur's middle, red, green and blue.
TINTS = {"white": (200, 199, 194), "black": (38, 35, 34), "grey": (105, 105, 108)}
# Where on skimage.data.chelsea() there is nothing but fur: rows, columns.
FUR = slice(150, 250), slice(60, 130)
DIRECTIONS = np.pi * np.array([0.5, 0.25, 0.75, 0.03, 0.97])


@dataclass(frozen=True, eq=False)
class Covered:
    photo: NDArray[np.uint8]
    face: Face
    paw: NDArray[np.bool_]


def covered(tint: str, each: int = 3) -> Iterator[Covered]:
    """Each marked face so many times under a paw, at places that a seed decides."""
    rng = np.random.default_rng(5)
    light = data.chelsea()[FUR].mean(axis=-1, keepdims=True)
    fur = np.clip(light / light.mean() * np.array(TINTS[tint]), 0, 255)
    for one in MARKED:
        x0, y0, x1, y1 = one.face.box.astype(int)
        left, top = max(x0 - 90, 0), max(y0 - 90, 0)
        photo = np.ascontiguousarray(one.photo[top : y1 + 90, left : x1 + 90])
        face = by_points(one.face.points - np.array([left, top]))
        for _ in range(each):
            yield _under_paw(photo, face, fur, rng)


def _under_paw(
    below: NDArray[np.uint8], face: Face, fur: NDArray, rng: np.random.Generator
) -> Covered:
    frame = frame_of(face.points)
    assert frame is not None
    angle = rng.choice(DIRECTIONS) + 0.15 * rng.normal()
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    tip = frame.origin + 0.6 * frame.down
    tip = tip + frame.unit * (along * rng.uniform(0.1, 0.6) + across * 0.25 * rng.normal())
    height, width = below.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    from_tip = np.stack([columns - tip[0], rows - tip[1]], axis=-1)
    beside = np.abs(from_tip @ across)
    behind = np.maximum(-(from_tip @ along), 0) + np.maximum(from_tip @ along - 3.5 * frame.unit, 0)
    rough = cv2.GaussianBlur(rng.normal(size=(height, width)), (0, 0), 0.08 * frame.unit)
    radius = frame.unit * (rng.uniform(0.3, 0.5) + 0.05 * rough / rough.std())
    soft = 0.05 * frame.unit
    alpha = np.clip((radius - np.hypot(beside, behind)) / soft + 0.5, 0, 1)
    scale = max(1.0, 2 * frame.unit / fur.shape[1])
    fur = cv2.resize(fur, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    own = fur[(rows - int(tip[1])) % len(fur), (columns - int(tip[0])) % fur.shape[1]]
    photo = below * (1 - alpha[..., None]) + own * alpha[..., None]
    return Covered(np.clip(photo, 0, 255).astype(np.uint8), face, alpha > 0.5)
