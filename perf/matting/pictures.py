"""The pictures of the benchmark: photo and known alpha, made from seeds, and a user's own."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from pawfect.picture import raster
from perf.matting import fur, subjects
from perf.matting.backgrounds import BACKGROUNDS
from perf.matting.scores import over
from perf.matting.subjects import Subject
from perf.scenes import load_scene

# Of the pictures that are composed, px: as large as a network looks at, small enough for minutes.
WIDTH: Final = 960
HEIGHT: Final = 720
GROUPS: Final = ("scene", "laid", "fur", "thin", "similar", "several", "whole", "none")
# One picture of the fur set on each of its backgrounds.
FURS: Final = MappingProxyType({f"fur_{kind}": seed for seed, kind in enumerate(BACKGROUNDS)})
# Of a folder's own pictures.
OWN_GROUP: Final = "photos"
FILES: Final = (".png", ".webp", ".tif", ".tiff")


@dataclass(frozen=True, eq=False)
class Picture:
    """A photo whose alpha is known. All arrays share H and W.

    Attributes:
        name: unique in a set.
        group: one of GROUPS, or OWN_GROUP.
        photo: UINT8 [H, W, 3] RGB.
        alpha: UINT8 [H, W], the truth; 0 everywhere where there is no subject.
        colour: UINT8 [H, W, 3] RGB, the subject's own colour; right where alpha is not 0.
    """

    name: str
    group: str
    photo: NDArray[np.uint8]
    alpha: NDArray[np.uint8]
    colour: NDArray[np.uint8]


@dataclass(frozen=True)
class Placed:
    """A subject in a picture.

    Attributes:
        make: returns it.
        x: of its middle, as a share of the width.
        foot: of its lower end, as a share of the height; over 1 it is cut off.
        height: as a share of the picture's.
        mirrored: turned to the other side.
    """

    make: Callable[[], Subject]
    x: float = 0.5
    foot: float = 0.95
    height: float = 0.75
    mirrored: bool = False


@dataclass(frozen=True)
class Recipe:
    """How a picture is composed.

    Attributes:
        group: one of GROUPS.
        background: name of the scene whose truth it is.
        placed: from back to front.
        tint: RGB factors of the background's colour.
        blur_px: of the background, as out of focus; 0: none.
    """

    group: str
    background: str
    placed: tuple[Placed, ...] = ()
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    blur_px: float = 0.0


def _dog(scene: str) -> Callable[[], Subject]:
    return partial(subjects.dog, scene)


_NEAR = _dog("dog_near")
_SIDE = _dog("dog_profile")
_FRONT = _dog("reference_1600")
_PALE = _dog("dog_overcast")
_DARK = _dog("dog_dusk")
_LIT = _dog("dog_backlit")
_WARM = _dog("dog_evening")

# Scenes as they are: the dog on the grass that it was rendered on, blades before its paws.
SCENES: Final = MappingProxyType(
    {
        f"scene_{name}": name
        for name in (
            "reference_768", "dog_morning", "dog_evening", "dog_backlit", "dog_overcast",
            "dog_dusk", "dog_near", "dog_profile",
        )
    }
)  # fmt: skip
RECIPES: Final[Mapping[str, Recipe]] = MappingProxyType(
    {
        "laid_trees": Recipe("laid", "china_trees_hand", (Placed(_FRONT),)),
        "laid_parquet": Recipe("laid", "parquet_large_legs", (Placed(_SIDE, 0.4),)),
        "laid_brick": Recipe("laid", "brick_ball", (Placed(_LIT, 0.6),)),
        "laid_wall": Recipe("laid", "wall_hand", (Placed(_NEAR, foot=1.0, height=0.85),)),
        "laid_bokeh": Recipe("laid", "china_bokeh_legs", (Placed(_WARM, 0.45, height=0.6),)),
        "laid_paving": Recipe("laid", "paving_leash", (Placed(_PALE, 0.7, height=0.55),)),
        "laid_sky": Recipe("laid", "rocket_sky_toys", (Placed(_DARK, mirrored=True),)),
        "laid_asphalt": Recipe("laid", "asphalt_leash", (Placed(_SIDE, 0.55, 1.0, 0.8, True),)),
        "thin_cat": Recipe("thin", "backdrop_ball", (Placed(subjects.cat, foot=0.98),)),
        "thin_cat_grass": Recipe("thin", "lawn_falloff_ball", (Placed(subjects.cat, height=0.7),)),
        "thin_bicycle": Recipe("thin", "plaster_legs", (Placed(subjects.bicycle, height=0.7),)),
        "thin_chair": Recipe("thin", "tiles_cushion", (Placed(subjects.chair, height=0.85),)),
        "thin_plant": Recipe("thin", "wall_hand", (Placed(subjects.plant, height=0.85),)),
        "similar_sand": Recipe("similar", "sand_several", (Placed(_WARM),)),
        "similar_planks": Recipe("similar", "planks_hand", (Placed(_NEAR, 0.4, 1.0, 0.8),)),
        "similar_rug": Recipe("similar", "rug_toy", (Placed(_DARK),), (0.8, 0.62, 0.46)),
        "similar_snow": Recipe(
            "similar", "plaster_legs", (Placed(subjects.cat),), (1.25, 1.22, 1.2)
        ),
        "several_dogs": Recipe(
            "several", "lawn_falloff_ball",
            (Placed(_PALE, 0.25, 0.9, 0.55), Placed(_FRONT, 0.72, 0.95, 0.7, True)),
        ),
        "several_near": Recipe(
            "several", "tiles_cushion",
            (Placed(_SIDE, 0.4, 0.95, 0.7), Placed(subjects.cat, 0.62, 0.98, 0.45)),
        ),
        "several_ball": Recipe(
            "several", "fence_several",
            (Placed(_LIT, 0.6, 0.93, 0.7), Placed(subjects.ball, 0.2, 0.96, 0.25)),
        ),
        "whole_fur": Recipe("whole", "wall_hand", (Placed(_NEAR, 0.7, 2.6, 4.2),)),
        "none_gravel": Recipe("none", "gravel_legs"),
        "none_sky": Recipe("none", "sky_leash", blur_px=3.0),
        "none_lawn": Recipe("none", "grass_hand"),
    }
)  # fmt: skip


def names(*groups: str) -> tuple[str, ...]:
    """Return the names of the pictures of these groups, or of all, group by group."""
    every = dict.fromkeys(SCENES, "scene") | dict.fromkeys(FURS, "fur")
    every |= {name: recipe.group for name, recipe in RECIPES.items()}
    return tuple(n for group in groups or GROUPS for n, own in every.items() if own == group)


def picture(name: str) -> Picture:
    """Make a picture; the same name gives the same pixels.

    Raises:
        KeyError: there is no picture of this name.
    """
    if name in SCENES:
        scene = load_scene(SCENES[name])
        assert scene.alpha is not None
        colour = subjects.own_colour(scene.truth, scene.alpha)
        return Picture(name, "scene", scene.truth, scene.alpha, colour)
    if name in FURS:
        made = fur.make(FURS[name], (HEIGHT, WIDTH))
        alpha = np.rint(made.alpha * 255).astype(np.uint8)
        return Picture(name, "fur", made.photo, alpha, raster.to_pixels(made.foreground))
    if name not in RECIPES:
        raise KeyError(f"expected one of {', '.join(names())}, got {name}")
    recipe = RECIPES[name]
    photo = background(recipe, WIDTH, HEIGHT)
    alpha = np.zeros((HEIGHT, WIDTH), np.uint8)
    colour = photo.copy()
    for placed in recipe.placed:
        photo, alpha, colour = _laid(placed, photo, alpha, colour)
    return Picture(name, recipe.group, photo, alpha, colour)


def background(recipe: Recipe, width: int, height: int) -> NDArray[np.uint8]:
    """Return a recipe's background, UINT8 [height, width, 3]: its middle, as large as it takes."""
    truth = load_scene(recipe.background).truth
    scale = max(width / truth.shape[1], height / truth.shape[0])
    size = (max(width, round(truth.shape[1] * scale)), max(height, round(truth.shape[0] * scale)))
    large = cv2.resize(truth, size, interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA)
    y, x = (large.shape[0] - height) // 2, (large.shape[1] - width) // 2
    middle = large[y : y + height, x : x + width].astype(np.float32)
    view = np.asarray(middle * np.array(recipe.tint, np.float32), np.float32)
    if recipe.blur_px:
        view = raster.gaussian(view, recipe.blur_px)
    return raster.to_pixels(view)


def of_folder(folder: Path) -> Iterator[Picture]:
    """Give the pictures of a folder of files with alpha, which is taken as the truth.

    Where all that is transparent has one colour, the file is a cut-out: it is laid on one of the
    set's backgrounds, by its name. Else its colours are the photo's own.

    Args:
        folder: of PNG, WebP or TIFF files; other files are left out.

    Raises:
        ValueError: a file is no picture with alpha, or there is none; it names the file.
    """
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in FILES)
    if not files:
        raise ValueError(f"expected a folder with some of {', '.join(FILES)}, got none")
    for path in files:
        yield _own(path)


def _own(path: Path) -> Picture:
    try:
        with Image.open(path) as file:
            if "A" not in file.getbands() and "transparency" not in file.info:
                raise ValueError(f"{path.name}: expected a picture with alpha, got {file.mode}")
            pixels = np.array(file.convert("RGBA"), np.uint8)
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{path.name}: expected a picture, got {type(error).__name__}") from None
    colour, alpha = np.ascontiguousarray(pixels[..., :3]), np.ascontiguousarray(pixels[..., 3])
    hidden = colour[alpha == 0]
    if len(hidden) and (hidden != hidden[0]).any():
        own = subjects.own_colour(colour, alpha)
        return Picture(path.stem, OWN_GROUP, colour, alpha, own)
    laid = [recipe for recipe in RECIPES.values() if recipe.group == "laid"]
    behind = laid[zlib.crc32(path.name.encode()) % len(laid)]
    photo = over(colour, alpha, background(behind, alpha.shape[1], alpha.shape[0]))
    return Picture(path.stem, OWN_GROUP, photo, alpha, colour)


def _laid(
    placed: Placed, photo: NDArray[np.uint8], alpha: NDArray[np.uint8], colour: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Lay a subject before what is there; return photo, alpha and colour anew."""
    height, width = alpha.shape
    subject = placed.make()
    subject = (subject.mirrored() if placed.mirrored else subject).resized(
        round(placed.height * height)
    )
    own_height, own_width = subject.alpha.shape
    y, x = round(placed.foot * height) - own_height, round(placed.x * width) - own_width // 2
    at = slice(max(y, 0), min(y + own_height, height)), slice(max(x, 0), min(x + own_width, width))
    of = slice(at[0].start - y, at[0].stop - y), slice(at[1].start - x, at[1].stop - x)
    own, opacity = subject.colour[of], subject.alpha[of]
    photo, alpha, colour = photo.copy(), alpha.copy(), colour.copy()
    before, share = alpha[at].astype(np.float32) / 255, opacity.astype(np.float32) / 255
    together = share + before * (1 - share)
    # The colour of both together, so that it laid with their alpha is both laid in turn.
    mixed = own * share[..., None] + colour[at] * (before * (1 - share))[..., None]
    mixed /= np.maximum(together, 1e-6)[..., None]
    colour[at] = np.where(together[..., None] > 0, np.rint(mixed), own).astype(np.uint8)
    photo[at] = over(own, opacity, photo[at])
    alpha[at] = np.rint(together * 255).astype(np.uint8)
    return photo, alpha, colour
