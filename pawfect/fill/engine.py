"""The fill of one window: cut out each hole with its context, fill it, put it back."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pawfect.fill import raster
from pawfect.fill.candidates import LEAST_RIM, METHODS
from pawfect.fill.choice import choose
from pawfect.fill.kinship import FINE, fine_detail, foreign
from pawfect.fill.level import Level, pyramid
from pawfect.fill.regions import crops
from pawfect.fill.slopes import wavelength
from pawfect.fill.tone import membrane, smooth_field

MAX_SEED = 2**63 - 1
CONTEST_SIDE = 120.0
"""px: side of a hole at which the candidates compete; only the winner is carried further."""
MOST_SIDE = 300.0  # px: as large a hole as they compete at where the surroundings are narrow


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
        working_px: longest side, px, at which patches are searched; None leaves it to the engine.

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
        crop = _crop(image[at], hole[at], banned[at])
        filled, method, scores = _fill_crop(crop, seed, working_px)
        result[at] = np.where(hole[at][..., None], filled, image[at])
        methods.append((method, scores))
    method, scores = methods[0] if methods else ("nothing to fill", {})
    return FillResult(result, method, scores)


def _crop(image: NDArray[np.uint8], hole: NDArray[np.bool_], banned: NDArray[np.bool_]) -> Level:
    """Cut out a hole with its context, and find what of that is unlike its surroundings."""
    nothing, even = np.zeros_like(hole), np.zeros(hole.shape, np.float32)
    bare = Level(image, hole, banned, nothing, even)
    if not bare.known.any():
        return bare
    width = bare.hole_width
    details = [fine_detail(image, bare.known, sigma) for sigma in FINE]
    # What lies under the mask is not to be seen, not even from afar.
    blank = np.rint(image[bare.known].mean(0)).astype(np.uint8)
    image = np.where(hole[..., None], blank, image)
    focus = smooth_field(details[-1][..., None], bare.known, wavelength(width))[..., 0]
    unlike = foreign(details, hole, bare.known, width)
    return replace(bare, image=image, foreign=unlike, focus=focus)


def _fill_crop(
    crop: Level, seed: int, working_px: int | None
) -> tuple[NDArray[np.uint8], str, Mapping[str, float]]:
    factor = min(crop.hole_side / CONTEST_SIDE, crop.rim_width / LEAST_RIM)
    factor = max(factor, crop.hole_side / MOST_SIDE)
    if working_px is not None:
        factor = max(factor, max(crop.shape) / working_px)
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
