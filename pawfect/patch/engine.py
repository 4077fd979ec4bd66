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
from pawfect.stop import Stop, look, never

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
        ValueError: a shape, dtype or number is not as above, or the mask keeps nothing.
        PawfectError: CANCELLED, since `stop` said so.
    """
    _check(image, mask, protect, drawing, seed, working_px)
    hole = mask >= 128
    banned = np.zeros_like(hole) if protect is None else (protect >= 128) & ~hole
    factor = max(image.shape) / (working_px or 2**31)
    if factor <= 1 or not hole.any():
        return _filled(image, hole, banned, drawing, seed, stop)
    size = (max(1, round(hole.shape[0] / factor)), max(1, round(hole.shape[1] / factor)))
    small, small_hole, small_banned = _shrunk(image, hole, banned, size)
    if small_hole.all():
        filled = FillResult(small, "membrane")
    else:
        drawn = None if drawing is None else raster.shrink(drawing, size)
        filled = _filled(small, small_hole, small_banned, drawn, seed, stop)
    look(stop)
    large = raster.cubic_resize(filled.image.astype(np.float32), (hole.shape[0], hole.shape[1]))
    pixels = np.where(hole[..., None], raster.to_pixels(large), image)
    look(stop)
    ring = ~hole & ~banned & (raster.distance_to(hole) <= GRAIN_RING)
    near = raster.surrounding(hole, round(GRAIN_RING))
    grained = match_grain(pixels[near], image[near], hole[near], ring[near], stop)
    pixels[near] = np.where(hole[near][..., None], grained, image[near])
    return FillResult(pixels, filled.method)


def _shrunk(
    image: NDArray[np.uint8],
    hole: NDArray[np.bool_],
    banned: NDArray[np.bool_],
    size: tuple[int, int],
) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_]]:
    """Shrink by averaging what is not in the hole; a pixel that touches the hole belongs to it.

    Where all do, a film between what they show of the rest is all there is to fill with.
    """
    known = (~hole).astype(np.float32)[..., None]
    total, share = (raster.box_mean_resize(plane, size) for plane in (image * known, known))
    mean = total / np.maximum(share, 1e-6)
    small_hole = raster.shrink_any(hole, size)
    if small_hole.all():
        mean = membrane(mean, share[..., 0] > 1e-6)
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
        look(stop)
        before = left[at].copy()
        left[box.slices] = False
        own = before & ~left[at]
        if own.any():
            drawn = None if drawing is None else drawing[at]
            result[at], method = _completed(
                result[at], own, left[at], banned[at], drawn, seed, stop
            )
            methods.append(method)
    return FillResult(result, methods[0] if methods else "nothing to fill")


def _completed(
    image: NDArray[np.uint8],
    hole: NDArray[np.bool_],
    empty: NDArray[np.bool_],
    banned: NDArray[np.bool_],
    drawing: NDArray[np.uint8] | None,
    seed: int,
    stop: Stop,
) -> tuple[NDArray[np.uint8], str]:
    """Fill a hole with all that is around it; where nothing can be copied, by a soap film.

    What is still empty, such as other pieces, is neither copied from nor compared with.
    """
    image, hole = np.ascontiguousarray(image), np.ascontiguousarray(hole)
    apart = np.ascontiguousarray(banned | empty)
    found = complete(image, hole, apart, seed, stop, drawing)
    if found is None:
        known = ~hole & ~apart
        known = known if known.any() else ~hole & ~empty
        film = raster.to_pixels(membrane(image.astype(np.float32), known, stop))
        return np.where(hole[..., None], film, image), "membrane"
    source, copies = found
    ys, xs = positions(hole)
    out = image.copy()
    toned = with_tone(image, apart, ys, xs, source, copies, stop)
    out[ys, xs] = np.clip(np.rint(toned), 0, 255)
    return out, "patches"


def _check(
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    protect: NDArray[np.uint8] | None,
    drawing: NDArray[np.uint8] | None,
    seed: int,
    working_px: int | None,
) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ValueError(f"image: expected uint8 [H, W, 3], got {image.dtype} {list(image.shape)}")
    size = image.shape[:2]
    planes = (("mask", mask, size), ("protect", protect, size), ("drawing", drawing, image.shape))
    for name, plane, shape in planes:
        if plane is not None and (plane.shape != shape or plane.dtype != np.uint8):
            got = f"{plane.dtype} {list(plane.shape)}"
            raise ValueError(f"{name}: expected uint8 {list(shape)}, got {got}")
    if (mask >= 128).all():
        raise ValueError("mask: expected some pixels to keep, got none")
    if not 0 <= seed <= MAX_SEED:
        raise ValueError(f"seed: expected 0 to {MAX_SEED}, got {seed}")
    if working_px is not None and working_px < 32:
        raise ValueError(f"working_px: expected at least 32, got {working_px}")
