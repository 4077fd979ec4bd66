"""Photos made of the astronaut's: cut, turned, shrunk, many of her, with sunglasses."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.pawfect.identity.photos import astronaut, boxes_by_hand

Photo = NDArray[np.uint8]
# x0, y0, x1, y1: her head with some of what is around it.
HEAD = (110, 30, 340, 230)


def head() -> Photo:
    x0, y0, x1, y1 = HEAD
    return astronaut()[y0:y1, x0:x1]


def many(count: int, columns: int = 5) -> tuple[Photo, NDArray[np.float64]]:
    """A wall of her head, and where each face is, [count, 4]."""
    one, gap = head(), 20
    height, width = one.shape[:2]
    rows = -(-count // columns)
    wall = np.full((rows * (height + gap), columns * (width + gap), 3), 200, np.uint8)
    boxes = []
    for number in range(count):
        y, x = number // columns * (height + gap), number % columns * (width + gap)
        wall[y : y + height, x : x + width] = one
        boxes.append(boxes_by_hand("astronaut")[0] + (x - HEAD[0], y - HEAD[1]) * 2)
    return wall, np.array(boxes)


def cut(side: str) -> tuple[Photo, NDArray[np.float64]]:
    """The photo cut through her face, and what is left of that, [4]."""
    x0, y0, x1, y1 = boxes_by_hand("astronaut")[0]
    middle, level = round((x0 + x1) / 2), round((y0 + y1) / 2)
    photo = astronaut()
    parts = {
        "left": (photo[:, middle:], (0, y0, x1 - middle, y1)),
        "right": (photo[:, :middle], (x0, y0, middle, y1)),
        "above": (photo[level:], (x0, 0, x1, y1 - level)),
        "below": (photo[:level], (x0, y0, x1, level)),
    }
    left, box = parts[side]
    return left, np.array(box, float)


def far_away(tall: int) -> tuple[Photo, NDArray[np.float64]]:
    """The photo, shrunk, on a wall of 800 x 600 px, and her face, `tall` px high, [4]."""
    box = boxes_by_hand("astronaut")[0]
    scale = tall / (box[3] - box[1])
    small = cv2.resize(astronaut(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    wall = np.full((600, 800, 3), 180, np.uint8)
    wall[200 : 200 + small.shape[0], 300 : 300 + small.shape[1]] = small
    return wall, box * scale + (300, 200) * 2


def in_sunglasses() -> Photo:
    photo = astronaut().copy()
    for middle in ((203, 103), (247, 104)):
        cv2.ellipse(photo, middle, (18, 14), 0, 0, 360, (10, 10, 10), -1)
    cv2.line(photo, (203, 98), (247, 98), (10, 10, 10), 4)
    return photo


def turned(degrees: float) -> Photo:
    """Turned to the left about her face."""
    x0, y0, x1, y1 = boxes_by_hand("astronaut")[0]
    turn = cv2.getRotationMatrix2D(((x0 + x1) / 2, (y0 + y1) / 2), degrees, 1)
    photo = cv2.warpAffine(astronaut(), turn, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(photo, np.uint8)


def from_the_side() -> tuple[Photo, NDArray[np.float64]]:
    """Her head as on a picture that is seen from its left, and her face there, [4]."""
    x0, y0, x1, y1 = HEAD
    corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float32)
    there = np.array([(x0, y0), (225, 65), (225, 195), (x0, y1)], np.float32)
    warp = cv2.getPerspectiveTransform(corners, there)
    photo = cv2.warpPerspective(astronaut(), warp, (512, 512))
    left, top, right, bottom = boxes_by_hand("astronaut")[0]
    face = np.array([[(left, top), (right, top), (right, bottom), (left, bottom)]], np.float32)
    at = cv2.perspectiveTransform(face, warp)[0]
    return np.asarray(photo, np.uint8), np.concatenate([at.min(0), at.max(0)]).astype(float)


@cache
def without_colour() -> Photo:
    grey = cv2.cvtColor(astronaut(), cv2.COLOR_RGB2GRAY)
    return np.repeat(grey[..., None], 3, 2)
