"""The fill of one window: piece by piece, each from its own surroundings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.patch.completion import complete
from pawfect.patch.pieces import context, pieces
from pawfect.patch.search import positions
from pawfect.patch.tone import with_tone
from pawfect.picture import raster
from pawfect.picture.grain import match_grain
from pawfect.picture.tone import membrane
from pawfect.stop import Stop, never

MAX_SEED: Final = 2**63 - 1
GRAIN_RING: Final = 24.0
"""px: from that near to the hole comes the grain of a fill that was enlarged."""


@dataclass(frozen=True, slots=True)
class FillResult:
    """A filled window and how it came about.

    Attributes:
        image: UINT8 [H, W, 3] RGB.
        method: `patches`, or `membrane` where nothing could be copied.
    """

    image: NDArray[np.uint8]
    method: str


def fill(
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    *,
    protect: NDArray[np.uint8] | None = None,
    drawing: NDArray[np.uint8] | None = None,
    seed: int = 0,
    working_px: int | None = None,
    stop: Stop = never,
) -> FillResult:
    """Fill the masked area of a window so that it continues what lies around it.

    Args:
        image: UINT8 [H, W, 3] RGB, 0-255.
        mask: UINT8 [H, W], >= 128 is filled, the rest kept bit for bit.
        protect: UINT8 [H, W], >= 128 is kept and neither copied from nor matched in colour.
        drawing: UINT8 [H, W, 3] RGB, the whole window as it is to look like from afar, equally
            sharp inside the mask and outside: copies are looked for whose surroundings match it.
        seed: 0 to MAX_SEED. The same arguments give the same pixels.
        working_px: longest side, px, at which it is filled: time and memory follow it. A larger
            window's fill is enlarged and given the photo's grain. None: the window's own.
        stop: looked at every 0.1 s or so.

    Returns:
        The filled window and how its largest piece was filled.

    Raises:
        ValueError: a shape, dtype or number is not as above.
        PawfectError: CANCELLED, since `stop` said so.
    """
    _check(image, mask, protect, seed, working_px)
    if drawing is not None and (drawing.shape != image.shape or drawing.dtype != np.uint8):
        got = f"{drawing.dtype} {list(drawing.shape)}"
        raise ValueError(f"drawing: expected uint8 {list(image.shape)}, got {got}")
    hole = mask >= 128
    banned = np.zeros_like(hole) if protect is None else (protect >= 128) & ~hole
    factor = max(image.shape) / (working_px or 2**31)
    if factor <= 1 or not hole.any():
        return _filled(image, hole, banned, drawing, seed, stop)
    size = (max(1, round(hole.shape[0] / factor)), max(1, round(hole.shape[1] / factor)))
    small = _shrunk(image, hole, banned, size)
    drawn = None if drawing is None else raster.shrink(drawing, size)
    filled = _filled(*small, drawn, seed, stop)
    large = raster.cubic_resize(filled.image.astype(np.float32), (hole.shape[0], hole.shape[1]))
    pixels = np.where(hole[..., None], raster.to_pixels(large), image)
    ring = ~hole & ~banned & (raster.distance_to(hole) <= GRAIN_RING)
    grained = match_grain(pixels, image, hole, ring)
    return FillResult(np.where(hole[..., None], grained, image), filled.method)


def _shrunk(
    image: NDArray[np.uint8],
    hole: NDArray[np.bool_],
    banned: NDArray[np.bool_],
    size: tuple[int, int],
) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_]]:
    """Shrink by averaging what is not in the hole; a pixel that touches the hole belongs to it."""
    share = (~hole).astype(np.float32)[..., None]
    total = raster.box_mean_resize(image * share, size)
    mean = total / np.maximum(raster.box_mean_resize(share, size), 1e-6)
    small_hole = raster.shrink_any(hole, size)
    return raster.to_pixels(mean), small_hole, raster.shrink_any(banned, size) & ~small_hole


def _filled(
    image: NDArray[np.uint8],
    hole: NDArray[np.bool_],
    banned: NDArray[np.bool_],
    drawing: NDArray[np.uint8] | None,
    seed: int,
    stop: Stop,
) -> FillResult:
    """Fill piece by piece; what is filled is known to the pieces after it."""
    result, left, methods = image.copy(), hole.copy(), []
    for box in pieces(hole):
        at = context(box, hole.shape[0], hole.shape[1]).slices
        before = left[at].copy()
        left[box.slices] = False
        own = before & ~left[at]
        if own.any():
            # What is not filled yet is neither copied from nor compared with.
            drawn = None if drawing is None else drawing[at]
            result[at], method = _completed(
                result[at], own, left[at] | banned[at], drawn, seed, stop
            )
            methods.append(method)
    return FillResult(result, methods[0] if methods else "nothing to fill")


def _completed(
    image: NDArray[np.uint8],
    hole: NDArray[np.bool_],
    banned: NDArray[np.bool_],
    drawing: NDArray[np.uint8] | None,
    seed: int,
    stop: Stop,
) -> tuple[NDArray[np.uint8], str]:
    """Fill a hole with all that is around it; where nothing can be copied, by a soap film."""
    image, hole = np.ascontiguousarray(image), np.ascontiguousarray(hole)
    banned = np.ascontiguousarray(banned)
    found = complete(image, hole, banned, seed, stop, drawing)
    if found is None:
        known = ~hole & ~banned
        known = known if known.any() else ~hole
        return raster.to_pixels(membrane(image.astype(np.float32), known)), "membrane"
    source, copies = found
    ys, xs = positions(hole)
    out = image.copy()
    out[ys, xs] = np.clip(np.rint(with_tone(image, banned, ys, xs, source, copies)), 0, 255)
    return out, "patches"


def _check(
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    protect: NDArray[np.uint8] | None,
    seed: int,
    working_px: int | None,
) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ValueError(f"image: expected uint8 [H, W, 3], got {image.dtype} {list(image.shape)}")
    for name, plane in (("mask", mask), ("protect", protect)):
        if plane is not None and (plane.shape != image.shape[:2] or plane.dtype != np.uint8):
            raise ValueError(
                f"{name}: expected uint8 {list(image.shape[:2])}, "
                f"got {plane.dtype} {list(plane.shape)}"
            )
    if not 0 <= seed <= MAX_SEED:
        raise ValueError(f"seed: expected 0 to {MAX_SEED}, got {seed}")
    if working_px is not None and working_px < 32:
        raise ValueError(f"working_px: expected at least 32, got {working_px}")
