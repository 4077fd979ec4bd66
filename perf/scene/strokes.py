"""Painting shapes as identities: who is seen at each sample, before anything is shaded.

Shapes are painted back to front into an integer canvas at twice the picture's size; shading
happens later per sample, from the shape's own table row (deferred shading). OpenCV fills a
small polygon in about 4 microseconds, so half a million blades and hairs cost two seconds.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from perf.scene.arrays import Floats, Ints, Rows, floats

SUPERSAMPLING = 2
"""Samples per pixel and axis: four per pixel hide the stairs once the lens softens them."""

SUBPIXEL_BITS = 3
"""Vertices are placed to an eighth of a sample, below what the eye sees move."""


def curve(start: Floats, bend: Floats, end: Floats, count: int) -> Floats:
    """Sample quadratic Bezier curves [N, D] at `count` even parameters: [N, count, D]."""
    t = np.linspace(0.0, 1.0, count, dtype=np.float32)[None, :, None]
    return floats(
        (1 - t) ** 2 * start[:, None] + 2 * t * (1 - t) * bend[:, None] + t * t * end[:, None]
    )


def ribbons(spines: Floats, widths: Floats) -> Ints:
    """Widen spines [N, K, 2] by widths [N, K] (both px) to outlines INT32 [N, 2K, 2].

    The outline is in fixed point with SUBPIXEL_BITS fractional bits.
    """
    along = np.gradient(spines, axis=1)
    length = np.sqrt(np.sum(along * along, axis=-1, keepdims=True)) + 1e-6
    side = np.stack([-along[..., 1], along[..., 0]], axis=-1) / length
    half = side * (0.5 * widths[..., None])
    outline = np.concatenate([spines + half, (spines - half)[:, ::-1]], axis=1)
    return fixed_point(floats(outline))


def fixed_point(outlines: Floats) -> Ints:
    """Round px coordinates to OpenCV's fixed point; the canvas's sample centres are at +0.5."""
    scaled = (np.clip(outlines, -30000, 30000) - 0.5) * (1 << SUBPIXEL_BITS)
    return np.asarray(np.round(scaled), dtype=np.int32)


def paint_shapes(canvas: Ints, outlines: Sequence[Ints], identities: Rows) -> None:
    """Fill outlines into the canvas INT32 [H, W] in the order given, later ones on top."""
    for outline, identity in zip(outlines, identities.tolist(), strict=True):
        cv2.fillPoly(canvas, [outline], identity, cv2.LINE_8, SUBPIXEL_BITS)


def paint_hairs(canvas: Ints, spines: Ints, identities: Rows, thickness: int) -> None:
    """Draw open lines [N, K, 2] (fixed point) one sample or more thick, later ones on top."""
    for spine, identity in zip(spines, identities.tolist(), strict=True):
        cv2.polylines(canvas, [spine], False, identity, thickness, cv2.LINE_8, SUBPIXEL_BITS)
