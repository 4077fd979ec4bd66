"""The measured pictures: a sign, tag or mug with a wrong text, and the same with the right one."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from perf.lettering.grounds import GROUNDS, THINGS
from perf.lettering.typefaces import DEVELOPMENT, UNSEEN, Typeface
from perf.scenes import load_scene, scene_names

COUNT: Final = 200
HALVES: Final = ("development", "unseen")
# Photos are that large, px.
SIZE: Final = (480, 640)
_TOUCHED: Final = 0.05  # of a pixel: so much of a letter and it is one of its
_SUPER: Final = 3  # the plate is drawn larger and averaged, as a lens and a sensor do
# What was written, and what should have been: slips of generators, and other words.
TEXTS: Final = (
    ("WELCMOE", "WELCOME"), ("BELAL", "BELLA"), ("Beware of Dgo", "Beware of Dog"),
    ("MAX", "ROCKY"), ("Coffe Time", "Coffee Time"), ("LUNA", "LUCY"), ("Good Boi", "Good Boy"),
    ("NO PRAKING", "NO PARKING"), ("Charile", "Charlie"), ("BEST DOG MUN", "BEST DOG MUM"),
    ("Happy Brithday", "Happy Birthday"), ("COOPER", "BAILEY"), ("Hapy Tails", "Happy Tails"),
    ("DOG PRAK", "DOG PARK"), ("Milo", "Bruno"), ("HOME SWEAT HOME", "HOME SWEET HOME"),
    ("Adopt Me", "Thank You"), ("TREETS", "TREATS"), ("Daisy", "Molly"), ("KEEP OFF", "KEEP OUT"),
    ("Woof Woff", "Woof Woof"), ("Paw Pirnts", "Paw Prints"), ("SINCE 2014", "SINCE 2019"),
    ("Buddy 555-0142", "Buddy 555-0187"), ("GROOMNIG", "GROOMING"),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Sign:
    """One picture to repair.

    Attributes:
        index: 0 to COUNT - 1; even ones are for development.
        thing: sign, tag or mug.
        ground: key of GROUNDS.
        typeface: of its text.
        old: what is written in the photo.
        new: what should be.
        photo: UINT8 [480, 640, 3] RGB.
        truth: of the same shape, with the right text.
        box: x, y, width, height round the old text, px, as a person would draw it.
        line: FP32 [4, 2], corners in the photo of what old and new text span, with some room.
        ink: FP32 [3], the old letters' mean colour.
        inked: BOOL [480, 640], where letters lie in the photo or in the truth.
    """

    index: int
    thing: str
    ground: str
    typeface: Typeface
    old: str
    new: str
    photo: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    box: tuple[int, int, int, int]
    line: NDArray[np.float32]
    ink: NDArray[np.float32]
    inked: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Look:
    """How letters and their plate look, the same for the wrong text and the right one."""

    top: NDArray[np.float32]
    bottom: NDArray[np.float32]
    outline: NDArray[np.float32] | None
    shadow: bool
    chalk: float
    tracking: float


def half_of(index: int) -> str:
    """Return the half that a picture belongs to."""
    return HALVES[0] if is_development(index) else HALVES[1]


def is_development(index: int) -> bool:
    """Say whether the method may be developed on a picture."""
    return index % 2 == 0


def sign(index: int) -> Sign:
    """Draw one picture; the same index gives the same pixels."""
    rng = np.random.default_rng((2026, index))
    typefaces = DEVELOPMENT if is_development(index) else UNSEEN
    typeface = typefaces[(index // 2) % len(typefaces)]
    old, new = TEXTS[(index // 2 + 7 * (index % 2)) % len(TEXTS)]
    thing = ("sign", "tag", "mug")[int(rng.integers(3))]
    ground = THINGS[thing][int(rng.integers(3))]
    high = int(rng.uniform(20, 62) * (0.75 if len(new) > 10 else 1))
    font = ImageFont.truetype(str(typeface.file), high * _SUPER * 1.4)
    tracking = rng.choice((0, 0, 0, 0.06)) * high * _SUPER
    wide = max(font.getlength(text) + tracking * len(text) for text in (old, new))
    limit = 0.72 * SIZE[1] * _SUPER
    if wide > limit:
        font = ImageFont.truetype(str(typeface.file), high * _SUPER * 1.4 * limit / wide)
        tracking, wide = tracking * limit / wide, limit
    ascent, descent = font.getmetrics()
    width = int(wide * 1.25) + 40 * _SUPER
    height = int((ascent + descent) * rng.uniform(1.3, 2.0)) + 16 * _SUPER
    plate = GROUNDS[ground](height, width, rng)
    look = _look(plate, ground, float(tracking), rng)
    matrix = _placing(width, height, rng)
    scenery = _scenery(rng)
    camera = (rng.uniform(0.35, 1.1), rng.uniform(0.8, 4.5), int(rng.integers(78, 96)))
    noise = rng.standard_normal((*SIZE, 3)).astype(np.float32)
    chalk = rng.standard_normal((height, width)).astype(np.float32)
    pictures = []
    for text in (old, new):
        lettered = _lettered(plate, text, font, look, chalk)
        pictures.append(_photographed(scenery, lettered, matrix, thing, camera, noise))
    box = _box(old, font, look.tracking, (height, width), matrix, rng)
    line = _line((old, new), font, look.tracking, (height, width), matrix)
    ink = (look.top + look.bottom) / 2
    covers = [_coverage(text, font, look.tracking, (height, width)) for text in (old, new)]
    inked = _seen(np.maximum(*covers), matrix) > _TOUCHED
    return Sign(
        index, thing, ground, typeface, old, new, pictures[0], pictures[1], box, line, ink, inked
    )  # fmt: skip


def _seen(cover: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return how far a plate's letters cover each px of the photo, FP32 [480, 640]."""
    large = cv2.warpPerspective(cover, matrix, (SIZE[1] * _SUPER, SIZE[0] * _SUPER))
    return np.asarray(cv2.resize(large, SIZE[::-1], interpolation=cv2.INTER_AREA), np.float32)


def _look(
    plate: NDArray[np.float32], ground: str, tracking: float, rng: np.random.Generator
) -> _Look:
    """Choose inks that can be told from the plate."""
    light = plate.mean() > 118
    darks = ((30, 28, 30), (60, 35, 25), (25, 40, 85), (120, 25, 35), (20, 70, 45))
    lights = ((248, 246, 240), (250, 226, 150), (255, 255, 255), (205, 230, 240), (245, 200, 190))
    top = np.array((darks if light else lights)[int(rng.integers(5))], np.float32)
    bottom = np.clip(top * rng.choice((1, 1, 0.75, 1.2)) + rng.choice((0, 0, 14)), 0, 255)
    outline = None
    if rng.random() < 0.12 and ground != "slate":
        outline = np.array(lights[0] if light else darks[0], np.float32)
    shadow = outline is None and rng.random() < 0.15
    chalk = 0.9 if ground == "slate" else (0.35 if rng.random() < 0.1 else 0)
    return _Look(top, bottom.astype(np.float32), outline, bool(shadow), float(chalk), tracking)


def _coverage(
    text: str, font: ImageFont.FreeTypeFont, tracking: float, size: tuple[int, int]
) -> NDArray[np.float32]:
    """Draw a text in the middle of a plane [height, width], 0 to 1."""
    page = Image.new("L", size[::-1])
    pen = ImageDraw.Draw(page)
    ascent, descent = font.getmetrics()
    base = (size[0] + ascent - descent) / 2
    x = (size[1] - font.getlength(text) - tracking * (len(text) - 1)) / 2
    if tracking == 0:
        pen.text((x, base), text, 255, font, "ls")
    else:
        for letter in text:
            pen.text((x, base), letter, 255, font, "ls")
            x += font.getlength(letter) + tracking
    return np.asarray(page, np.float32) / 255


def _lettered(
    plate: NDArray[np.float32], text: str, font: ImageFont.FreeTypeFont, look: _Look,
    chalk: NDArray[np.float32],
) -> NDArray[np.float32]:  # fmt: skip
    """Write on a plate."""
    size = (plate.shape[0], plate.shape[1])
    cover = _coverage(text, font, look.tracking, size)
    out: NDArray[np.float32] = plate
    if look.shadow:
        moved = np.roll(cover, (2 * _SUPER, 2 * _SUPER), (0, 1))
        dark = cv2.GaussianBlur(moved, (0, 0), 1.6 * _SUPER)[..., None]
        out = np.asarray(out * (1 - 0.55 * dark), np.float32)
    if look.outline is not None:
        reach = 2 * _SUPER
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
        wide = cv2.dilate(cover, kernel)[..., None]
        out = np.asarray(out * (1 - wide) + look.outline * wide, np.float32)
    if look.chalk:
        rough = cv2.GaussianBlur(chalk, (0, 0), 1.4)
        rough = rough / rough.std()
        worn = 1 - look.chalk * 0.28 * np.clip(rough + 0.4, 0, 2)
        cover = np.asarray(np.clip(cover * worn, 0, 1), np.float32)
    rows = np.linspace(0, 1, size[0], dtype=np.float32)[:, None, None]
    ink = look.top * (1 - rows) + look.bottom * rows
    # Ink lies on the ground's relief.
    relief = (plate - cv2.GaussianBlur(plate, (0, 0), 12)) * 0.25
    return np.asarray(out * (1 - cover[..., None]) + (ink + relief) * cover[..., None], np.float32)


def _placing(width: int, height: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the homography [3, 3] from the plate to the photo drawn larger."""
    angle, stretch = np.radians(rng.uniform(-9, 9)), rng.uniform(0.85, 1.0)
    corners = np.array([(-width, -height), (width, -height), (width, height), (-width, height)]) / 2
    corners = corners * (stretch, 1)
    corners += rng.uniform(-1, 1, (4, 2)) * (0.03 * width, 0.06 * height)
    turn = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    reach = np.abs(corners @ turn.T).max(0)
    room = np.maximum(np.array(SIZE[::-1]) * _SUPER / 2 - reach - 10, 0)
    shift = np.array(SIZE[::-1]) * _SUPER / 2 + rng.uniform(-0.8, 0.8, 2) * room
    plane = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    placed = (corners @ turn.T + shift).astype(np.float32)
    return np.asarray(cv2.getPerspectiveTransform(plane, placed), np.float64)


@lru_cache(8)
def _truth(name: str) -> NDArray[np.uint8]:
    return load_scene(name).truth


def _scenery(rng: np.random.Generator) -> NDArray[np.float32]:
    """Cut a piece of a photo for the plate to hang before, a little out of focus."""
    names = scene_names()
    photo = _truth(names[int(rng.integers(len(names)))])
    scale = max(SIZE[0] / photo.shape[0], SIZE[1] / photo.shape[1])
    large = cv2.resize(photo, None, fx=scale + 1e-3, fy=scale + 1e-3, interpolation=cv2.INTER_AREA)
    piece = large[: SIZE[0], : SIZE[1]].astype(np.float32)
    return np.asarray(cv2.GaussianBlur(piece, (0, 0), 1.2), np.float32)


def _shape(thing: str, size: tuple[int, int]) -> NDArray[np.float32]:
    """Return the outline of a plate [height, width], 0 to 1."""
    page = Image.new("L", size[::-1])
    radius = {"sign": 0.06, "tag": 0.5, "mug": 0.1}[thing] * size[0]
    ImageDraw.Draw(page).rounded_rectangle((2, 2, size[1] - 3, size[0] - 3), radius, 255)
    return np.asarray(page, np.float32) / 255


def _photographed(
    scenery: NDArray[np.float32], plate: NDArray[np.float32], matrix: NDArray[np.float64],
    thing: str, camera: tuple[float, float, int], noise: NDArray[np.float32],
) -> NDArray[np.uint8]:  # fmt: skip
    """Hang a plate before its scenery and take a photo of it: lens, grain and JPEG."""
    large = (SIZE[1] * _SUPER, SIZE[0] * _SUPER)
    outline = cv2.warpPerspective(_shape(thing, (plate.shape[0], plate.shape[1])), matrix, large)
    seen = cv2.warpPerspective(plate, matrix, large, borderMode=cv2.BORDER_REPLICATE)
    cover = np.asarray(cv2.resize(outline, SIZE[::-1], interpolation=cv2.INTER_AREA))[..., None]
    small = np.asarray(cv2.resize(seen, SIZE[::-1], interpolation=cv2.INTER_AREA), np.float32)
    before = np.asarray(small * cover + scenery * (1 - cover), np.float32)
    picture = cv2.GaussianBlur(before, (0, 0), camera[0])
    pixels = np.clip(np.rint(picture + camera[1] * noise), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=camera[2])
    return np.asarray(Image.open(file).convert("RGB"))


def _line(
    texts: tuple[str, str], font: ImageFont.FreeTypeFont, tracking: float, size: tuple[int, int],
    matrix: NDArray[np.float64],
) -> NDArray[np.float32]:  # fmt: skip
    """Return the corners in the photo of what both texts span, with half their height around it."""
    spans = [np.nonzero(_coverage(text, font, tracking, size) > 0.5) for text in texts]
    ys, xs = (np.concatenate([span[axis] for span in spans]) for axis in (0, 1))
    pad = (ys.max() - ys.min()) * 0.35
    x0, x1, y0, y1 = xs.min() - pad, xs.max() + pad, ys.min() - pad, ys.max() + pad
    corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float64)
    placed = cv2.perspectiveTransform(corners[None], matrix)[0] / _SUPER
    return np.asarray(placed, np.float32)


def _box(
    text: str, font: ImageFont.FreeTypeFont, tracking: float, size: tuple[int, int],
    matrix: NDArray[np.float64], rng: np.random.Generator,
) -> tuple[int, int, int, int]:  # fmt: skip
    """Return the box that a person would draw round a text."""
    ys, xs = np.nonzero(_coverage(text, font, tracking, size) > 0.5)
    corners = np.array([(x, y) for x in (xs.min(), xs.max()) for y in (ys.min(), ys.max())])
    placed = cv2.perspectiveTransform(corners[None].astype(np.float64), matrix)[0] / _SUPER
    (x0, y0), (x1, y1) = placed.min(0), placed.max(0)
    pad = rng.uniform(0.06, 0.2, 4) * (y1 - y0)
    x0, y0 = max(x0 - pad[0], 0), max(y0 - pad[1], 0)
    x1, y1 = min(x1 + pad[2], SIZE[1]), min(y1 + pad[3], SIZE[0])
    return int(x0), int(y0), int(np.ceil(x1) - int(x0)), int(np.ceil(y1) - int(y0))
