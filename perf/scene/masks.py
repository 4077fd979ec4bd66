"""The mask as today's segmenter gives it: rough at the edge, holed inside, specks elsewhere."""

import cv2
import numpy as np

from perf.scene.arrays import Bools, Bytes, Floats, Rows, floats
from perf.scene.noise import fractal_tile, sample, soften


def disc(radius: int) -> Bytes:
    """Give a round structuring element of the radius in px."""
    side = 2 * radius + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), dtype=np.uint8)


def grown(mask: Bytes, radius: int) -> Bytes:
    """Dilate a mask [H, W] by a disc of `radius` px."""
    return np.asarray(cv2.dilate(mask, disc(radius)), dtype=np.uint8)


def rough_mask(
    rng: np.random.Generator, clean: Bytes, shadow: Bools, scale: float
) -> tuple[Bytes, Bytes]:
    """Give (mask, pinholes), both UINT8 [H, W] with 255 set.

    The mask covers `clean` but for the pinholes, covers the shadow, wanders 2-9 px (at 1600 px
    width) outside them, and has stray specks far from both.
    """
    height, width = clean.shape
    both = np.where(shadow, np.uint8(255), clean)
    least = grown(both, max(round(2 * scale), 1))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    wander = sample(fractal_tile(rng, 256, 1.3), x, y, 150 * scale)
    distance = cv2.distanceTransform(255 - both, cv2.DIST_L2, 3)
    rough = (distance < scale * np.clip(5.0 + 3.0 * wander, 2.0, 11.0)) | (least > 0)
    mask = np.where(rough, 255, 0).astype(np.uint8)
    holes = np.zeros_like(mask)
    inner = cv2.erode(clean, disc(max(round(6 * scale), 1)))
    _dot(rng, holes, np.flatnonzero(inner), round(34 * max(scale, 0.5)), 2.4 * scale)
    mask[holes > 0] = 0
    away = cv2.distanceTransform(255 - mask, cv2.DIST_L2, 3) > 45 * scale
    _dot(rng, mask, np.flatnonzero(away), round(26 * max(scale, 0.5)), 4.5 * scale)
    return mask, holes


def _dot(
    rng: np.random.Generator,
    mask: Bytes,
    places: Rows,
    count: int,
    size: float,
) -> None:
    """Draw up to `count` small blobs of about `size` px radius at some of the flat `places`."""
    if len(places) == 0:
        return
    for place in rng.choice(places, count):
        y, x = divmod(int(place), mask.shape[1])
        axes = (
            max(int(rng.uniform(0.3, 1.0) * size), 0),
            max(int(rng.uniform(0.3, 1.0) * size), 0),
        )
        cv2.ellipse(mask, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, (255.0,), -1)


def pet_mask(cover: Floats, clean: Bytes) -> Bytes:
    """Give the dog's pixels UINT8 [H, W] from its cover [H, W], without the object's."""
    soft = soften(floats(cover), 0.8)
    return np.where((soft > 0.5) & (clean == 0), 255, 0).astype(np.uint8)
