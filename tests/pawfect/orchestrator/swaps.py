"""Photos with faces for searches by proposer `swap`, small enough to be quick."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from tests.pawfect.identity.photos import astronaut, t1


@cache
def couple() -> np.ndarray:
    """Two people, UINT8 [320, 400, 3]: faces of some 110 px, the left one the surer."""
    return t1()[120:440, 30:430].copy()


@cache
def character() -> np.ndarray:
    """One person, UINT8 [200, 210, 3]."""
    return astronaut()[40:240, 120:330].copy()


def mask_of(photo: np.ndarray, x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    """A mask, UINT8 [H, W], 255 in a box."""
    mask = np.zeros(photo.shape[:2], np.uint8)
    mask[y0:y1, x0:x1] = 255
    return mask


def crowd() -> np.ndarray:
    """Ten faces: one portrait ten times, UINT8 [2 * 140, 5 * 150, 3]."""
    one = astronaut()[55:195, 150:300]
    return np.tile(one, (2, 5, 1))


def far_away() -> np.ndarray:
    """The couple with faces of some 20 px."""
    small = cv2.resize(couple(), None, fx=0.18, fy=0.18, interpolation=cv2.INTER_AREA)
    canvas = np.full((200, 240, 3), 128, np.uint8)
    canvas[60 : 60 + small.shape[0], 80 : 80 + small.shape[1]] = small
    return canvas
