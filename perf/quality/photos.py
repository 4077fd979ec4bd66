"""Holes in a folder of photos, by a rule of the file's name: the same folder, the same holes.

For photos that are the user's own and never part of the project. Whoever tunes a fill on such a
folder looks at its `tune` part alone; `held` is for one look at the end.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from perf.quality.removal import Removal

SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp")
PARTS: Final = ("tune", "held")
# Photos are shrunk to this longest side, px: a hole then takes methods seconds, not minutes.
LONGEST_PX: Final = 1024
HOLES: Final = 4
# A picture with areas cut out of it has room for fewer.
HOLES_IN_PARTS: Final = 2
TRIES: Final = 400
# Radius as a share of the shorter side.
RADIUS: Final = (0.06, 0.15)
# Holes are centred within this share of either side: they have surroundings on all sides.
CENTRE: Final = (0.15, 0.85)
# Smaller holes are filled well by anything, px.
LEAST_AREA: Final = 1200
# Known surroundings that a hole has at least on all sides, px.
MARGIN_PX: Final = 12
# Around what is unknown, px: shrinking mixes its colour into its neighbours.
UNKNOWN_MARGIN_PX: Final = 2
OUTLINE_POINTS: Final = 60
# What lies in a folder of this name shows built or patterned things.
STRUCTURE: Final = "structure"
# What lies in the hole while it is filled: a fill that looks beneath its hole shows it.
GREY: Final = 127


def photo_files(folder: Path) -> list[Path]:
    """Return the pictures of a folder, and of a folder `structure` in it, in order of paths."""
    places = [place for place in (folder, folder / STRUCTURE) if place.is_dir()]
    files = [path for place in places for path in place.iterdir()]
    return sorted(path for path in files if path.suffix.lower() in SUFFIXES)


def part_of(path: Path) -> str:
    """Return the part that a photo belongs to: a third of all names is `held`, the rest `tune`."""
    name = path.stem.replace("_", "")
    return "held" if zlib.crc32(name.encode()) % 3 == 0 else "tune"


def of_folder(folder: Path, part: str, *, unseen: bool = False) -> Iterator[Removal]:
    """Draw the holes of a part of a folder's photos, numbered through the whole folder.

    A file's name shows nowhere: the photos need not be anybody else's business.

    Args:
        folder: of pictures.
        part: of PARTS.
        unseen: nobody tuned on any of them: all are `held`.

    Raises:
        OSError: a file is no picture.
    """
    number = 0
    for path in photo_files(folder):
        chosen = ("held" if unseen else part_of(path)) == part
        for removal in removals(path):
            number += 1
            if chosen:
                yield replace(removal, name=f"hole {number}")


def removals(path: Path) -> Iterator[Removal]:
    """Draw the holes of one photo, none where there is no room.

    Args:
        path: a picture file. Where its opacity is under 255, nothing is known.

    Yields:
        Removals, named by their number from 0. Group `structure` where a part is unknown (sets of
        structured scenes come with something cut out) or the file lies in a folder of that name,
        else `photo`.

    Raises:
        OSError: the file is no picture.
    """
    colours, opacity = read_picture(path)
    unknown = np.where(opacity < 255, 255, 0).astype(np.uint8)
    whole = not unknown.any()
    if not whole:
        unknown = _grown(unknown, UNKNOWN_MARGIN_PX)
    group = "photo" if whole and path.parent.name != STRUCTURE else STRUCTURE
    wanted = HOLES if whole else HOLES_IN_PARTS
    for number, hole in enumerate(_holes(unknown, _seed(path), wanted)):
        photo = colours.copy()
        photo[hole > 0] = GREY
        area = None if whole else unknown
        yield Removal(str(number), group, photo, colours, hole, hole, 0, area)


def _seed(path: Path) -> int:
    """Return what the holes are drawn by: the sum of the characters of the file's name."""
    return sum(map(ord, path.name))


def read_picture(
    path: Path, longest_px: int = LONGEST_PX
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return colours UINT8 [H, W, 3] and opacity UINT8 [H, W], shrunk to a longest side.

    Raises:
        OSError: the file is no picture.
    """
    with Image.open(path) as picture:
        pixels = np.array(ImageOps.exif_transpose(picture).convert("RGBA"), np.uint8)
    colours, opacity = np.ascontiguousarray(pixels[..., :3]), pixels[..., 3]
    scale = longest_px / max(opacity.shape)
    if scale < 1:
        colours = np.asarray(
            cv2.resize(colours, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
        )
        size = (colours.shape[1], colours.shape[0])
        opacity = np.asarray(cv2.resize(opacity, size, interpolation=cv2.INTER_AREA), np.uint8)
    return colours, opacity


def _holes(unknown: NDArray[np.uint8], seed: int, wanted: int) -> Iterator[NDArray[np.uint8]]:
    """Draw compact and long holes in turn where there is room for them."""
    height, width = unknown.shape
    random = np.random.default_rng(seed)
    found = 0
    for _ in range(TRIES):
        radius = random.uniform(*RADIUS) * min(height, width)
        y = random.uniform(CENTRE[0] * height, CENTRE[1] * height)
        x = random.uniform(CENTRE[0] * width, CENTRE[1] * width)
        outline = _outline(radius, int(random.integers(1 << 30)), long=found % 2 == 1)
        hole = np.zeros_like(unknown)
        cv2.fillPoly(hole, [(outline + (x, y)).round().astype(np.int32)], (255,))
        too_near = (_grown(hole, MARGIN_PX) & unknown).any()
        if too_near or np.count_nonzero(hole) < LEAST_AREA:
            continue
        yield hole
        found += 1
        if found == wanted:
            return


def _outline(radius: float, seed: int, *, long: bool) -> NDArray[np.float64]:
    """Return a hole's outline around the origin, [N, 2] (x, y) px: a blob or a slanted ellipse."""
    random = np.random.default_rng(seed)
    angle = np.linspace(0, 2 * np.pi, OUTLINE_POINTS, endpoint=False)
    # Both draw the blob's phases first: the turn of an ellipse depends on them.
    two, three = random.uniform(0, 6), random.uniform(0, 6)
    if not long:
        reach = 1 + 0.25 * np.sin(2 * angle + two) + 0.12 * np.sin(3 * angle + three)
        return np.asarray(np.stack([np.cos(angle), np.sin(angle)], 1) * (radius * reach)[:, None])
    along, across = np.cos(angle) * radius * 1.8, np.sin(angle) * radius * 0.45
    turn = random.uniform(0, 3)
    return np.stack(
        [
            along * np.cos(turn) - across * np.sin(turn),
            along * np.sin(turn) + across * np.cos(turn),
        ],
        1,
    )


def _grown(area: NDArray[np.uint8], radius: int) -> NDArray[np.uint8]:
    """Grow an area by a square's half side, px."""
    square = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    return np.asarray(cv2.dilate(area, square), np.uint8)
