"""Masks as users give them: a ragged outline around the object, pinholes in it, specks far off."""

import cv2
import numpy as np

from perf.quality.light import Mask, Random, octaves

# Areas as parts of the picture's: what a mask cleaner has to drop, and to close.
SPECK_AREA = 4e-5
PINHOLE_AREA = 5e-5
# Specks keep this far from the object, so that a cleaner's dilation cannot join them to it, px.
SPECK_DISTANCE_PX = 40


def _dots(rng: Random, allowed: Mask, area: float, count: int) -> Mask:
    """Scatter round dots of up to `area` (part of the picture) where `allowed` is set."""
    dots = np.zeros_like(allowed)
    rows, columns = np.nonzero(allowed)
    if rows.size == 0:
        return dots
    largest = max(np.sqrt(area * allowed.size / np.pi), 1.0)
    for pick in rng.randint(0, rows.size, count):
        radius = max(round(float(largest * (0.5 + 0.5 * rng.random_sample()))), 1)
        cv2.circle(dots, (int(columns[pick]), int(rows[pick])), radius, (255,), -1)
    return np.where(allowed > 0, dots, 0).astype(np.uint8)


def user_mask(
    rng: Random, true_mask: Mask, *, ragged_px: float = 0.0, pinholes: int = 0, specks: int = 0
) -> Mask:
    """Spoil an object's mask as a segmenter or a finger does.

    Args:
        rng: source of randomness.
        true_mask: UINT8 [H,W], 255 = the object.
        ragged_px: how far outside the object the outline wanders, px; it never cuts into it.
        pinholes: dots missing inside the object.
        specks: stray dots far from it.

    Returns:
        UINT8 [H,W], 0 or 255. Covers the object except for the pinholes.
    """
    shape = (true_mask.shape[0], true_mask.shape[1])
    outside = (true_mask == 0).astype(np.uint8)
    distance = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    wander = np.clip(0.5 + 0.5 * octaves(rng, shape, 24, 3, 0.7), 0, 1) * ragged_px
    mask = np.where(distance <= wander, 255, 0).astype(np.uint8)
    inside = cv2.erode(true_mask, np.ones((9, 9), np.uint8), borderValue=(255,)).astype(np.uint8)
    mask[_dots(rng, inside, PINHOLE_AREA, pinholes) > 0] = 0
    far = np.where(distance > SPECK_DISTANCE_PX, 255, 0).astype(np.uint8)
    mask[_dots(rng, far, SPECK_AREA, specks) > 0] = 255
    return mask
