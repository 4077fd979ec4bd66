"""The ways to fill a hole, each tried small; the one that is chosen is finished at full size."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pawfect.patch import correspond, slopes
from pawfect.patch.correspond import Correspondence
from pawfect.patch.heal import heal
from pawfect.patch.level import Level
from pawfect.patch.patchmatch import enough_sources, synthesise
from pawfect.picture import raster
from pawfect.picture.grain import sample_grain
from pawfect.picture.tone import fit_rim, smooth_field

LAYOUT_SIDE = 60.0
"""px: side of a hole at which patches are first laid out. Laid out at half of 120 px and carried
up as offsets, textures come out better than straight at 120 px, in a third of the time."""
LEAST_RIM = 20.0
"""px: a layout's surroundings hold a disc this wide, or patches of 7 px have nothing to choose from
but each other's neighbours."""
SMOOTH_WAVELENGTH = 0.7  # of the hole's width: what a hole without texture can be told from its rim
LEAST_WAVELENGTH = 12.0  # px
ROW_REACH = 0.5
"""Of the hole's width: that far above or below, a source for level patches counts as random."""
FINAL_SIGMA = 0.45
"""px: blend across the seams between copies. On 25 scenes 0.45 leaves holes as sharp as the truth,
0.7 a fifth softer, and 0.3 a fifth harder, from the seams themselves."""
SEARCHED_PX = 2_500_000
"""Levels above this many pixels copy by the offsets from below, unsearched: memory and time."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A filled level and what it takes to repeat it at a finer one.

    Attributes:
        image: UINT8 [H, W, 3].
        correspondence: where its patches come from; None where there are none.
    """

    image: NDArray[np.uint8]
    correspondence: Correspondence | None = None


Fill = Callable[[Level, int], Candidate | None]
Finish = Callable[[Candidate, list[Level], int], NDArray[np.uint8]]


def fill_patches(level: Level, seed: int) -> Candidate | None:
    """Copy patches as they are, then fit their tone at the rim."""
    return _copied(level, seed)


def fill_shaded_patches(level: Level, seed: int) -> Candidate | None:
    """Copy patches under even light, then put the light back: shading goes on through the hole."""
    return _copied(level, seed, shaded=True)


def fill_level_patches(level: Level, seed: int) -> Candidate | None:
    """Copy from about the same height in the picture.

    On ground that recedes upwards that is about the same distance: the same scale and focus.
    """
    return _copied(level, seed, upright=True)


def fill_smooth(level: Level, seed: int) -> Candidate | None:
    """Span a smooth field and give it the ring's grain: for sky, walls and what is out of focus."""
    if not level.known.any():
        return None
    wavelength = max(LEAST_WAVELENGTH, SMOOTH_WAVELENGTH * level.hole_width)
    inside = level.hole[..., None]
    field = smooth_field(level.image.astype(np.float32), level.known, wavelength)
    spanned = np.where(inside, raster.to_pixels(field), level.image)
    spanned = fit_rim(spanned, level.hole, level.known, field)
    away = raster.distance_to(level.hole)
    ring = level.known & (away <= max(24.0, level.hole_width / 2))
    grain = sample_grain(level.image, ring, level.shape, np.random.default_rng(seed))
    grained = raster.to_pixels(spanned + grain)
    return Candidate(np.where(inside, grained, level.image))


def finish_patches(candidate: Candidate, levels: list[Level], seed: int) -> NDArray[np.uint8]:
    """Carry copied patches to the finest level."""
    return _carried(candidate, levels, seed, shaded=False)


def finish_level_patches(candidate: Candidate, levels: list[Level], seed: int) -> NDArray[np.uint8]:
    """Carry patches copied from the same height to the finest level."""
    return _carried(candidate, levels, seed, shaded=False, upright=True)


def finish_shaded_patches(
    candidate: Candidate, levels: list[Level], seed: int
) -> NDArray[np.uint8]:
    """Carry patches copied under even light to the finest level."""
    return _carried(candidate, levels, seed, shaded=True)


def finish_smooth(candidate: Candidate, levels: list[Level], seed: int) -> NDArray[np.uint8]:
    """Span the field anew at full size: it costs little there, and its grain has its own scale."""
    finest = fill_smooth(levels[-1], seed)
    return candidate.image if finest is None else finest.image


METHODS: dict[str, tuple[Fill, Finish]] = {
    "patches": (fill_patches, finish_patches),
    "shaded patches": (fill_shaded_patches, finish_shaded_patches),
    "level patches": (fill_level_patches, finish_level_patches),
    "smooth": (fill_smooth, finish_smooth),
}


def methods_for(level: Level) -> list[str]:
    """List the methods worth a try on a level: those that differ from the others there."""
    if not level.known.any():
        return []
    needless = "shaded patches" if slopes.light_is_even(level) else ""
    return [name for name in METHODS if name != needless]


def _copied(
    level: Level,
    seed: int,
    *,
    shaded: bool = False,
    upright: bool = False,
) -> Candidate | None:
    allowed = correspond.sources(level)
    light = slopes.light(level) if shaded else None
    even = level if light is None else slopes.under_even_light(level, light)
    factor = min(2.0, level.hole_side / LAYOUT_SIDE, level.rim_width / LEAST_RIM)
    # Level patches are laid out unshrunk: at half the size a dog's legs pass for a lawn, and at
    # 1 / 1.4 of it the reference scene's shadow becomes a smear.
    layout = even if upright else even.shrunk(factor)
    if not allowed.any() or not enough_sources(~layout.known | layout.foreign):
        return None
    rng = np.random.default_rng(seed)
    small_allowed = correspond.sources(layout)
    guide = slopes.heights(layout) if upright else None
    laid_out = synthesise(
        layout.image, layout.hole, layout.banned | layout.foreign, seed=seed, guide=guide
    ).astype(np.float32)
    found = correspond.search(
        laid_out,
        correspond.anywhere(layout, small_allowed, rng),
        small_allowed,
        rng,
        rounds=8,
        radius=max(layout.shape) // 2,
        strides=(8, 3, 1),
        row_reach=_row_reach(layout) if upright else None,
    )
    filled, found = _refined(even, found, rng, upright=upright)
    filled = heal(filled, level.hole, level.known, found)
    return Candidate(_lit(level, filled, light), found)


def _carried(
    candidate: Candidate, levels: list[Level], seed: int, *, shaded: bool, upright: bool = False
) -> NDArray[np.uint8]:
    found, image = candidate.correspondence, candidate.image
    if found is None or not levels:
        return image
    rng = np.random.default_rng(seed)
    for level in levels:
        if not correspond.sources(level).any():
            continue
        light = slopes.light(level) if shaded else None
        even = level if light is None else slopes.under_even_light(level, light)
        filled, found = _refined(even, found, rng, upright=upright)
        if level is levels[-1]:
            filled = heal(filled, level.hole, level.known, found)
        image = _lit(level, filled, light)
    return image


def _refined(
    level: Level,
    coarse: Correspondence,
    rng: np.random.Generator,
    *,
    upright: bool,
) -> tuple[NDArray[np.float32], Correspondence]:
    """Copy by the offsets from below, and where that is affordable look for better ones nearby."""
    allowed = correspond.sources(level)
    found = correspond.upscaled(coarse, level, allowed, rng)
    image = level.image.astype(np.float32)
    flat = image.reshape(-1, 3)
    if level.hole.size > SEARCHED_PX:
        flat[found.targets] = correspond.vote(image, found, radius=1, sigma=FINAL_SIGMA)
        return image, found
    for _ in range(2):
        flat[found.targets] = correspond.vote(image, found, radius=2, sigma=1.0)
        found = correspond.search(
            image,
            found,
            allowed,
            rng,
            rounds=2,
            radius=8,
            row_reach=_row_reach(level) if upright else None,
        )
    flat[found.targets] = correspond.vote(image, found, radius=1, sigma=FINAL_SIGMA)
    return image, found


def _row_reach(level: Level) -> float:
    return ROW_REACH * level.hole_width


def _lit(
    level: Level, filled: NDArray[np.float32], light: NDArray[np.float32] | None
) -> NDArray[np.uint8]:
    colours = filled if light is None else filled + light
    pixels = np.where(level.hole[..., None], raster.to_pixels(colours), level.image)
    slope = slopes.light(level) if light is None else light
    return fit_rim(pixels, level.hole, level.known, slope)
