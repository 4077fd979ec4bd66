"""The holes that a search is measured on, and which of them calibrate it.

Each scene of the quality set has its own hole, where that is not too large; more are punched into
the same pictures without their objects, and into photos that stay where they are. Their outlines
are those of the scenes' objects: hands, leashes, balls, toys, legs.
"""

from __future__ import annotations

import math
import tomllib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.picture.mask import clean_mask
from perf.quality.photos import GREY, UNKNOWN_MARGIN_PX, read_picture
from perf.quality.removal import Removal, removal_of
from perf.scenes import load_scene

SPLIT: Final = Path(__file__).with_name("split.toml")
TUNE: Final = "tune"
HELD: Final = "held"
PARTS: Final = (TUNE, HELD)
# Longest side of a picture, px: a hole then takes seconds, and a search makes a dozen fills.
LONGEST_PX: Final = 900
# A hole's area, px: smaller ones anything fills well, larger ones take too long.
AREA_PX: Final = (3000, 40_000)
# Of the picture: a larger hole leaves too little to copy from.
MOST_SHARE: Final = 0.1
# A scene's own hole may be larger, up to this, px.
OWN_PX: Final = 60_000
# Holes that are punched: into a whole photo, one with a part missing, and a scene beside its own.
IN_PHOTO: Final = 4
IN_PARTS: Final = 2
IN_SCENE: Final = 1
# Known surroundings that a hole has on all sides, px: the local judge's least ring.
MARGIN_PX: Final = 32
TRIES: Final = 400
# Scenes whose objects lend their outlines.
_LENDERS: Final = (
    "grass_hand", "asphalt_leash", "rug_toy", "brick_ball", "gravel_legs", "tiles_cushion",
    "sand_several",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Hole:
    """A hole with known truth.

    Attributes:
        source: the photo that it is of; what is of one source is in one part.
        part: tune or held.
        removal: photo, hole and truth.
    """

    source: str
    part: str
    removal: Removal


def split() -> Mapping[str, Mapping[str, list[str]]]:
    """Return the pictures of each source, by part."""
    return tomllib.loads(SPLIT.read_text("utf-8"))


def holes_of(part: str, photos: Path | None, only: Sequence[str] = ()) -> Iterator[Hole]:
    """Return the holes of a part, source by source; the same each time.

    Args:
        part: of PARTS.
        photos: folder of the photos that are no part of the project; None: without them.
        only: sources; none: all.

    Raises:
        OSError: a photo is missing, or is no picture.
    """
    for source, pictures in split()[part].items():
        if only and source not in only:
            continue
        for name in pictures:
            if "." not in name:
                removals = _of_scene(name)
            elif photos is not None:
                removals = _of_photo(photos / name)
            else:
                continue
            for removal in removals:
                yield Hole(source, part, removal)


def _of_scene(name: str) -> Iterator[Removal]:
    scene = load_scene(name)
    factor = LONGEST_PX / max(scene.mask.shape)
    if factor < 1:
        height, width = scene.mask.shape
        scene = scene.resized(round(width * factor), round(height * factor))
    own = removal_of(scene)
    # Growing may leave pinholes, which the search's own cleaning would close.
    own = replace(own, hole=_closed(own.hole))
    if np.count_nonzero(own.hole) <= OWN_PX:
        yield own
    nothing = np.zeros_like(scene.mask)
    for number, hole in enumerate(_punched(name, nothing, IN_SCENE)):
        yield _removal(f"{name} {number}", scene.group, scene.truth, hole, None)


def _of_photo(path: Path) -> Iterator[Removal]:
    colours, opacity = read_picture(path, LONGEST_PX)
    unknown = np.where(opacity < 255, np.uint8(255), np.uint8(0))
    whole = not unknown.any()
    if not whole:
        unknown = _grown(unknown, UNKNOWN_MARGIN_PX)
    wanted = IN_PHOTO if whole else IN_PARTS
    group = "photo" if whole else "structure"
    for number, hole in enumerate(_punched(path.name, unknown, wanted)):
        name = f"{path.stem} {number}"
        yield _removal(name, group, colours, hole, None if whole else unknown)


def _closed(hole: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return clean_mask(hole, dilate_px=0, least_speck_px=0).mask


def _removal(
    name: str,
    group: str,
    truth: NDArray[np.uint8],
    hole: NDArray[np.uint8],
    unknown: NDArray[np.uint8] | None,
) -> Removal:
    photo = truth.copy()
    photo[hole > 0] = GREY
    return Removal(name, group, photo, truth, hole, hole, 0, unknown)


def _punched(name: str, unknown: NDArray[np.uint8], wanted: int) -> Iterator[NDArray[np.uint8]]:
    """Draw holes UINT8 [H, W] by a rule of the picture's name, none where there is no room."""
    height, width = unknown.shape
    random = np.random.default_rng(zlib.crc32(name.encode()))
    taken = unknown.copy()
    found = 0
    for _ in range(TRIES):
        shape = _silhouettes()[int(random.integers(len(_silhouettes())))]
        most = min(AREA_PX[1], MOST_SHARE * height * width)
        area = float(np.exp(random.uniform(np.log(AREA_PX[0]), np.log(max(most, AREA_PX[0] + 1)))))
        outline = _turned(shape, area, float(random.uniform(0, 360)))
        rows, columns = outline.shape
        down, across = random.uniform(), random.uniform()
        free = (height - rows - 2 * MARGIN_PX, width - columns - 2 * MARGIN_PX)
        if min(free) < 0:
            continue
        y, x = (
            MARGIN_PX + int(share * (n + 1)) for share, n in zip((down, across), free, strict=True)
        )
        hole = np.zeros_like(unknown)
        hole[y : y + rows, x : x + columns] = outline
        hole = _closed(hole)
        if (_grown(hole, MARGIN_PX // 2) & taken).any():
            continue
        yield hole
        taken |= hole
        found += 1
        if found == wanted:
            return


def _turned(shape: NDArray[np.uint8], area: float, degrees: float) -> NDArray[np.uint8]:
    """Return a silhouette UINT8 [h, w] turned and scaled to an area, px, cut to its own box."""
    scale = float(np.sqrt(area / np.count_nonzero(shape)))
    reach = math.ceil(math.hypot(*shape.shape) * scale) + 2
    middle = ((shape.shape[1] - 1) / 2, (shape.shape[0] - 1) / 2)
    turn = np.asarray(cv2.getRotationMatrix2D(middle, degrees, scale), np.float64)
    turn[:, 2] = turn[:, 2] + reach / 2 - np.array(middle)
    drawn = cv2.warpAffine(shape, turn, (reach, reach), flags=cv2.INTER_LINEAR)
    drawn = np.where(drawn >= 128, np.uint8(255), np.uint8(0))
    x, y, w, h = cv2.boundingRect(drawn)
    return np.ascontiguousarray(drawn[y : y + h, x : x + w])


@cache
def _silhouettes() -> tuple[NDArray[np.uint8], ...]:
    """Return the outlines of the scenes' objects, UINT8 [h, w], 255 inside."""
    shapes = []
    for name in _LENDERS:
        objects = np.where(load_scene(name).object_mask > 0, np.uint8(255), np.uint8(0))
        count, labels, stats, _ = cv2.connectedComponentsWithStats(objects)
        for label in range(1, count):
            x, y, w, h, area = stats[label].tolist()
            if area >= 1000:
                one = labels[y : y + h, x : x + w] == label
                shapes.append(np.where(one, np.uint8(255), np.uint8(0)))
    return tuple(shapes)


def _grown(area: NDArray[np.uint8], radius: int) -> NDArray[np.uint8]:
    square = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    return np.asarray(cv2.dilate(area, square), np.uint8)
