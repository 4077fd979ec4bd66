"""The fill of one window: cut out each hole with its context, fill it, put it back."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pawfect.patch.candidates import LEAST_RIM, METHODS
from pawfect.patch.choice import choose
from pawfect.patch.kinship import FINE, fine_detail, foreign
from pawfect.patch.level import Level, pyramid
from pawfect.patch.regions import crops
from pawfect.picture import raster
from pawfect.picture.grain import match_grain
from pawfect.picture.tone import membrane

MAX_SEED = 2**63 - 1
CONTEST_SIDE = 120.0
"""px: side of a hole at which the candidates compete; only the winner is carried further."""
MOST_SIDE = 300.0  # px: as large a hole as they compete at where the surroundings are narrow
GRAIN_RING = 24.0  # px: from that near to the hole comes the grain of a fill that was enlarged


@dataclass(frozen=True, slots=True)
class FillResult:
    """A filled window and how it came about.

    Attributes:
        image: UINT8 [H, W, 3] RGB.
        method: the candidate taken in the largest hole.
        scores: of each candidate tried there; lower is better.
    """

    image: NDArray[np.uint8]
    method: str
    scores: Mapping[str, float] = field(default_factory=dict)


def fill_with_choice(
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    *,
    protect: NDArray[np.uint8] | None = None,
    seed: int = 0,
    working_px: int | None = None,
) -> FillResult:
    """Fill the masked area of a window and say which candidate was taken.

    Args:
        image: UINT8 [H, W, 3] RGB, 0-255.
        mask: UINT8 [H, W], >= 128 is filled, the rest kept bit for bit.
        protect: UINT8 [H, W], >= 128 is kept and neither copied from nor matched in colour.
        seed: 0 to 2**63 - 1. The same arguments give the same pixels.
        working_px: longest side, px, at which it is filled: time and memory follow it. A larger
            window's fill is enlarged and given the photo's grain. None: the window's own.

    Returns:
        The filled window with the method's name and the candidates' scores.

    Raises:
        ValueError: a shape, dtype or number is not as above.
    """
    _check(image, mask, protect, seed, working_px)
    hole = mask >= 128
    banned = np.zeros_like(hole) if protect is None else (protect >= 128) & ~hole
    result = image.copy()
    methods: list[tuple[str, Mapping[str, float]]] = []
    for box in crops(hole):
        at = box.slices
        filled, method, scores = _fill_box(
            image[at], hole[at], banned[at], seed, max(image.shape) / (working_px or 2**31)
        )
        result[at] = np.where(hole[at][..., None], filled, image[at])
        methods.append((method, scores))
    method, scores = methods[0] if methods else ("nothing to fill", {})
    return FillResult(result, method, scores)


def _fill_box(
    image: NDArray[np.uint8],
    hole: NDArray[np.bool_],
    banned: NDArray[np.bool_],
    seed: int,
    factor: float,
) -> tuple[NDArray[np.uint8], str, Mapping[str, float]]:
    """Fill one hole with its context, shrunk by `factor` where that is above 1."""
    if factor <= 1:
        return _fill_crop(_crop(image, hole, banned), seed)
    empty = np.zeros_like(hole)
    whole = Level(image, hole, banned, empty, np.zeros(hole.shape, np.float32))
    small = whole.shrunk(factor)
    filled, method, scores = _fill_crop(_crop(small.image, small.hole, small.banned), seed)
    large = raster.cubic_resize(filled.astype(np.float32), whole.shape)
    pixels = np.where(hole[..., None], raster.to_pixels(large), image)
    ring = whole.known & (raster.distance_to(hole) <= GRAIN_RING)
    grained = match_grain(pixels, image, hole, ring)
    return np.where(hole[..., None], grained, image), method, scores


def _crop(image: NDArray[np.uint8], hole: NDArray[np.bool_], banned: NDArray[np.bool_]) -> Level:
    """Cut out a hole with its context, and find what of that is unlike its surroundings."""
    bare = Level(image, hole, banned, np.zeros_like(hole), np.zeros(hole.shape, np.float32))
    if not bare.known.any():
        return bare
    details = [fine_detail(image, bare.known, sigma) for sigma in FINE]
    # What lies under the mask is not to be seen, not even from afar.
    blank = np.rint(image[bare.known].mean(0)).astype(np.uint8)
    image = np.where(hole[..., None], blank, image)
    unlike = foreign(details, hole, bare.known, bare.hole_width)
    return replace(bare, image=image, foreign=unlike, detail=details[0])


def _fill_crop(crop: Level, seed: int) -> tuple[NDArray[np.uint8], str, Mapping[str, float]]:
    factor = min(crop.hole_side / CONTEST_SIDE, crop.rim_width / LEAST_RIM)
    factor = max(factor, crop.hole_side / MOST_SIDE)
    contest = crop.shrunk(factor)
    chosen = choose(contest, seed)
    if chosen is None:
        return _spanned(crop), "membrane", {}
    name, candidate, scores = chosen
    levels = pyramid(crop, contest)
    if not levels:
        return candidate.image, name, scores
    _, finish = METHODS[name]
    return finish(candidate, levels, seed), name, scores


def _spanned(crop: Level) -> NDArray[np.uint8]:
    """Span a membrane from the rim: all that can be said where there is nothing to copy from."""
    known = crop.known if crop.known.any() else ~crop.hole
    return raster.to_pixels(membrane(crop.image.astype(np.float32), known))


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
