"""The set: every scene of the removal benchmark, its picture, its objects and its spoiled mask."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from perf.quality.backgrounds import BACKGROUNDS
from perf.quality.light import Mask, Pixels, Random
from perf.quality.masks import user_mask
from perf.quality.objects import Placed, paste

Group: TypeAlias = Literal["texture", "smooth", "defocus", "structure", "photo", "reference"]
GROUPS: tuple[Group, ...] = get_args(Group)

# One number seeds the set; each scene adds its own name, so that adding one changes no other.
SEED = 20251
# Objects' share of the picture at which a hole counts as small or large.
SMALL_HOLE = 0.035
LARGE_HOLE = 0.15


@dataclass(frozen=True)
class Scene:
    """A removal whose right answer is known.

    Attributes:
        name: unique, lower case.
        group: what surrounds the object.
        photo: UINT8 [H,W,3] RGB, with the object.
        truth: UINT8 [H,W,3] RGB, without it; equal to `photo` outside the object's soft footprint.
        mask: UINT8 [H,W], 255 = what the user marked: ragged, with pinholes and specks.
        true_mask: UINT8 [H,W], 255 = the object itself.
    """

    name: str
    group: Group
    photo: Pixels
    truth: Pixels
    mask: Mask
    true_mask: Mask


@dataclass(frozen=True)
class Spoil:
    """How the user's mask departs from the object: see `user_mask`."""

    ragged_px: float = 0.0
    pinholes: int = 0
    specks: int = 0


CLEAN = Spoil(ragged_px=3.0)
RAGGED = Spoil(ragged_px=7.0, pinholes=4)
SPECKED = Spoil(ragged_px=4.0, pinholes=6, specks=9)


@dataclass(frozen=True)
class Recipe:
    """A row of the set: group, background (a key of `BACKGROUNDS`), objects, mask, grain."""

    group: Group
    background: str
    items: tuple[Placed, ...]
    spoil: Spoil = CLEAN
    grain: float = 1.0


def _legs(centre: tuple[float, float], size: float, turn_deg: float) -> tuple[Placed, ...]:
    """Dress a person's legs: trousers over shoes."""
    return tuple(Placed(kind, centre, size, turn_deg) for kind in ("shoes", "legs"))


RECIPES: dict[str, Recipe] = {
    # Textures: the right answer is more of the same.
    "grass_hand": Recipe("texture", "grass", (Placed("hand", (0.22, 0.66), 0.95, -18),), SPECKED),
    "grass_dry_ball": Recipe("texture", "grass_dry", (Placed("ball", (0.63, 0.40), 0.20),), RAGGED),
    "gravel_toys": Recipe(
        "texture",
        "gravel",
        (Placed("toy", (0.26, 0.28), 0.30, 35), Placed("ball", (0.74, 0.70), 0.22)),
        SPECKED,
    ),
    "gravel_legs": Recipe("texture", "gravel_warm", _legs((0.52, 0.38), 0.85, 4)),
    "sand_several": Recipe(
        "texture",
        "sand",
        (
            Placed("toy", (0.20, 0.30), 0.26, -25),
            Placed("ball", (0.55, 0.68), 0.22),
            Placed("leash", (0.78, 0.32), 0.42, 20),
        ),
        RAGGED,
    ),
    "asphalt_leash": Recipe(
        "texture", "asphalt", (Placed("leash", (0.42, 0.52), 1.15, 10),), SPECKED
    ),
    "rug_toy": Recipe("texture", "rug", (Placed("toy", (0.52, 0.55), 0.50, 18),), RAGGED),
    # Smooth: a step of one level shows.
    "wall_hand": Recipe("smooth", "wall", (Placed("hand", (0.76, 0.42), 0.95, 168),), RAGGED),
    "plaster_legs": Recipe("smooth", "plaster", _legs((0.42, 0.40), 0.92, -3)),
    "backdrop_ball": Recipe("smooth", "backdrop", (Placed("ball", (0.36, 0.52), 0.42),), SPECKED),
    "sky_leash": Recipe("smooth", "sky", (Placed("leash", (0.50, 0.46), 1.0, -30),), RAGGED),
    "rocket_sky_toys": Recipe(
        "smooth",
        "rocket",
        (Placed("toy", (0.405, 0.20), 0.24, -20), Placed("ball", (0.60, 0.28), 0.16)),
        SPECKED,
        0.8,
    ),
    # Out of focus: soft forms, no detail but grain.
    "flower_bokeh_hand": Recipe(
        "defocus", "flower", (Placed("hand", (0.09, 0.78), 0.70, -12),), SPECKED, 0.6
    ),
    "china_bokeh_legs": Recipe("defocus", "china_blurred", _legs((0.62, 0.44), 1.05, 5), RAGGED),
    "coffee_bokeh_toys": Recipe(
        "defocus",
        "coffee_blurred",
        (Placed("toy", (0.80, 0.76), 0.34, -30), Placed("ball", (0.25, 0.24), 0.26)),
    ),
    "lawn_falloff_ball": Recipe(
        "defocus", "lawn_falloff", (Placed("ball", (0.60, 0.42), 0.36),), RAGGED
    ),
    "studio_cloth_toy": Recipe(
        "defocus", "backdrop_photo", (Placed("toy", (0.67, 0.21), 0.25, 60),), SPECKED, 0.8
    ),
    # Structure: lines have to meet.
    "brick_ball": Recipe("structure", "brick", (Placed("ball", (0.42, 0.58), 0.30),), RAGGED),
    "planks_hand": Recipe(
        "structure", "planks", (Placed("hand", (0.24, 0.60), 0.85, -24),), SPECKED
    ),
    "parquet_large_legs": Recipe("structure", "parquet", _legs((0.56, 0.42), 1.05, 6)),
    "tiles_cushion": Recipe("structure", "tiles", (Placed("cushion", (0.52, 0.54), 0.46),), RAGGED),
    "paving_leash": Recipe(
        "structure", "paving", (Placed("leash", (0.46, 0.56), 1.05, 4),), SPECKED
    ),
    "fence_several": Recipe(
        "structure",
        "fence",
        (Placed("ball", (0.24, 0.40), 0.20), Placed("hand", (0.84, 0.66), 0.62, 190)),
    ),
    # Photos as they are.
    "coffee_table_toy": Recipe(
        "photo", "coffee", (Placed("toy", (0.89, 0.70), 0.32, 70),), RAGGED, 0.8
    ),
    "china_trees_hand": Recipe(
        "photo", "china", (Placed("hand", (0.80, 0.86), 0.62, 200),), SPECKED, 0.8
    ),
    "chelsea_leash": Recipe(
        "photo", "chelsea", (Placed("leash", (0.24, 0.88), 0.66, -34),), CLEAN, 0.8
    ),
    "camera_lawn_hand": Recipe(
        "photo", "camera", (Placed("hand", (0.86, 0.80), 0.50, 172),), CLEAN, 0.8
    ),
    "flower_petals_ball": Recipe(
        "photo", "flower", (Placed("ball", (0.56, 0.62), 0.22),), CLEAN, 0.6
    ),
}


def _generator(name: str) -> Random:
    """Seed a scene's generator from the set's seed and the scene's name."""
    return np.random.RandomState((SEED + zlib.crc32(name.encode())) % 2**32)


def _pasted(name: str) -> Scene:
    """Build a scene of `RECIPES`."""
    recipe = RECIPES[name]
    rng = _generator(name)
    truth = np.array(BACKGROUNDS[recipe.background](rng))
    photo, true_mask = paste(rng, truth, recipe.items, recipe.grain)
    spoil = recipe.spoil
    mask = user_mask(
        rng,
        true_mask,
        ragged_px=spoil.ragged_px,
        pinholes=spoil.pinholes,
        specks=spoil.specks,
    )
    return Scene(name, recipe.group, photo, truth, mask, true_mask)


def _reference(name: str, seed: int, width: int, height: int) -> Scene:
    """Take a render of the reference scene; its mask is the one it comes with."""
    from perf.scene import render_scene

    render = render_scene(seed=seed, width=width, height=height)
    return Scene(name, "reference", render.photo, render.truth, render.mask, render.clean_mask)


REFERENCES: dict[str, Callable[[], Scene]] = {
    "reference_1600": lambda: _reference("reference_1600", 0, 1600, 1200),
    "reference_768": lambda: _reference("reference_768", 1, 768, 576),
}

NAMES: tuple[str, ...] = (*RECIPES, *REFERENCES)
# One quick scene of each group, for a look while something is being changed.
SCENES_FOR_A_LOOK: tuple[str, ...] = (
    "grass_dry_ball",
    "rocket_sky_toys",
    "flower_bokeh_hand",
    "brick_ball",
    "chelsea_leash",
    "reference_768",
)


def group_of(name: str) -> Group:
    """Tell a scene's group without building it."""
    return RECIPES[name].group if name in RECIPES else "reference"


def build_scene(name: str) -> Scene:
    """Build one scene by name; the same name gives the same pixels.

    Raises:
        KeyError: no scene has this name.
    """
    return _pasted(name) if name in RECIPES else REFERENCES[name]()


def build_scenes(names: tuple[str, ...] = NAMES) -> Iterator[Scene]:
    """Build scenes one after another, in the order given."""
    for name in names:
        yield build_scene(name)
