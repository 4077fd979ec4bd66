"""Subjects with known alpha and colour: the scenes' dog, and thin things that are drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from perf.scenes import load_scene

# From here on a pixel's colour is the subject's own: what shines through is under one level.
OPAQUE: Final = 253
# Shapes are drawn this many times as large and shrunk by averaging: its square, levels of alpha.
FINER: Final = 6
# Room around a subject, px: its softest fur ends within it.
MARGIN_PX: Final = 6
# Of fur and wood that is drawn: how far their colour goes up and down, levels.
TEXTURE: Final = 16.0

Point = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Subject:
    """Something to lay on a background.

    Attributes:
        colour: UINT8 [H, W, 3] RGB, the subject's own everywhere, beyond its edge too.
        alpha: UINT8 [H, W].
    """

    colour: NDArray[np.uint8]
    alpha: NDArray[np.uint8]

    def resized(self, height: int) -> Subject:
        """Return it at another height, px, its shape kept."""
        width = max(1, round(self.alpha.shape[1] * height / self.alpha.shape[0]))
        how = cv2.INTER_AREA if height < self.alpha.shape[0] else cv2.INTER_CUBIC
        colour = cv2.resize(self.colour, (width, height), interpolation=how)
        alpha = cv2.resize(self.alpha, (width, height), interpolation=how)
        return Subject(np.asarray(colour, np.uint8), np.asarray(alpha, np.uint8))

    def mirrored(self) -> Subject:
        """Return it turned to the other side."""
        return Subject(self.colour[:, ::-1].copy(), self.alpha[:, ::-1].copy())


@cache
def dog(scene: str) -> Subject:
    """Return the dog of a scene where nothing covers it, cut out with its soft fur."""
    found = load_scene(scene)
    assert found.alpha is not None
    x, y, width, height = cv2.boundingRect(found.alpha)
    rows = slice(max(y - MARGIN_PX, 0), y + height + MARGIN_PX)
    columns = slice(max(x - MARGIN_PX, 0), x + width + MARGIN_PX)
    alpha = np.ascontiguousarray(found.alpha[rows, columns])
    return Subject(own_colour(found.truth[rows, columns], alpha), alpha)


def own_colour(photo: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a photo UINT8 [H, W, 3] whose colours, where alpha is not full, are the nearest full.

    With them a soft pixel laid on anything is what it would be there, without the old background.
    """
    if not (alpha >= OPAQUE).any():
        return photo.copy()
    _, labels = cv2.distanceTransformWithLabels(
        (alpha < OPAQUE).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours = np.zeros((int(labels.max()) + 1, 3), np.uint8)
    full = alpha >= OPAQUE
    colours[labels[full]] = photo[full]
    return np.where(full[..., None], photo, colours[labels])


@cache
def cat() -> Subject:
    """Return a white cat's head with ears and whiskers of 1 to 2 px, 600 px high."""
    side, random = 600, np.random.default_rng(11)
    shape = _Drawing(side, side)
    shape.disc((300, 350), 190)
    for ear in (((130, 250), (150, 60), (270, 185)), ((470, 250), (450, 60), (330, 185))):
        shape.area(ear)
    for left in (-1, 1):
        for step in range(6):
            start = (300 + left * 90, 380 + 9 * step)
            end = (300 + left * (270 - 4 * step), 300 + 38 * step + random.uniform(-8, 8))
            bend = (300 + left * 190, (start[1] + end[1]) / 2 - 25)
            shape.line(_curve(start, bend, end), 1.2 + 0.12 * step)
    colour = _textured((226, 220, 212), side, side, 12)
    for eye in (235, 365):
        cv2.circle(colour, (eye, 320), 26, (96, 120, 60), -1, cv2.LINE_AA)
        cv2.circle(colour, (eye, 320), 11, (15, 15, 15), -1, cv2.LINE_AA)
    nose = np.array([(285, 372), (315, 372), (300, 390)])
    cv2.fillPoly(colour, [nose], (205, 130, 130), cv2.LINE_AA)
    return Subject(colour, shape.alpha())


@cache
def bicycle() -> Subject:
    """Return a bicycle: rims, spokes of 2 px and a frame, 500 px high."""
    width, height = 800, 500
    shape = _Drawing(width, height)
    wheels: tuple[Point, Point] = ((200, 320), (600, 320))
    for x, y in wheels:
        shape.ring((x, y), 150, 11)
        shape.disc((x, y), 12)
        for spoke in range(18):
            turn = math.tau * spoke / 18
            shape.line([(x, y), (x + 148 * math.cos(turn), y + 148 * math.sin(turn))], 2)
    crank, seat, head = (370, 330), (320, 130), (560, 140)
    for bar in ((wheels[0], seat), (wheels[0], crank), (crank, seat), (crank, head), (seat, head)):
        shape.line(list(bar), 10)
    shape.line([wheels[1], head, (545, 90), (600, 70)], 9)
    shape.line([seat, (312, 90)], 8)
    shape.line([(270, 86), (350, 86)], 18)
    return Subject(_textured((178, 34, 40), width, height, 13), shape.alpha())


@cache
def chair() -> Subject:
    """Return a wooden chair whose back has slats to see through, 600 px high."""
    width, height = 420, 600
    shape = _Drawing(width, height)
    for bar, wide in (
        (((90, 20), (80, 570)), 20), (((330, 20), (340, 570)), 20), (((90, 50), (330, 50)), 26),
        (((84, 300), (336, 300)), 44), (((120, 320), (110, 585)), 18),
        (((300, 320), (310, 585)), 18), (((112, 470), (308, 470)), 9),
    ):  # fmt: skip
        shape.line(list(bar), wide)
    for slat in range(5):
        shape.line([(130 + 40 * slat, 55), (130 + 40 * slat, 290)], 7)
    return Subject(_textured((142, 96, 58), width, height, 14), shape.alpha())


@cache
def plant() -> Subject:
    """Return a pot plant: thin stems, many leaves, gaps between them, 640 px high."""
    width, height, random = 560, 640, np.random.default_rng(15)
    shape = _Drawing(width, height)
    shape.area(((200, 470), (360, 470), (335, 630), (225, 630)))
    pot = shape.alpha() > 0
    for stem in range(16):
        end = (60 + 440 * stem / 15 + random.uniform(-15, 15), random.uniform(40, 260))
        points = _curve((280 + random.uniform(-50, 50), 475), (280, 250), end)
        shape.line(points, 2.5)
        for at in (14, 20, 26, 31):
            shape.leaf(points[at], random.uniform(0, math.tau), random.uniform(24, 44))
    colour = _textured((74, 122, 58), width, height, 16)
    colour[pot] = _textured((170, 92, 62), width, height, 17)[pot]
    return Subject(colour, shape.alpha())


@cache
def ball() -> Subject:
    """Return a striped ball, 300 px high."""
    side = 300
    shape = _Drawing(side, side)
    shape.disc((150, 150), 140)
    colour = _textured((210, 60, 48), side, side, 18)
    cv2.ellipse(colour, (150, 150), (60, 140), 0, 0, 360, (236, 232, 220), 22, cv2.LINE_AA)
    return Subject(colour, shape.alpha())


class _Drawing:
    """A shape of full cover, drawn `FINER` times as large; points and widths are in px."""

    def __init__(self, width: int, height: int) -> None:
        self._fine = np.zeros((height * FINER, width * FINER), np.uint8)
        self._size = (width, height)

    def disc(self, centre: Point, radius: float) -> None:
        cv2.circle(self._fine, *self._round(centre, radius), (255,), -1)

    def ring(self, centre: Point, radius: float, wide: float) -> None:
        cv2.circle(self._fine, *self._round(centre, radius), (255,), round(wide * FINER))

    def line(self, points: list[Point], wide: float) -> None:
        path = np.rint(np.array(points) * FINER).astype(np.int32)
        cv2.polylines(self._fine, [path], False, (255,), round(wide * FINER))

    def area(self, corners: tuple[Point, ...]) -> None:
        cv2.fillPoly(self._fine, [np.rint(np.array(corners) * FINER).astype(np.int32)], (255,))

    def leaf(self, at: Point, turn: float, long: float) -> None:
        centre, half = self._round((at[0], at[1]), long / 2)
        cv2.ellipse(self._fine, centre, (half, half // 3), math.degrees(turn), 0, 360, (255,), -1)

    def alpha(self) -> NDArray[np.uint8]:
        """Return its cover, UINT8 [H, W]."""
        small = cv2.resize(self._fine, self._size, interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.uint8)

    def _round(self, point: Point, radius: float) -> tuple[tuple[int, int], int]:
        return (round(point[0] * FINER), round(point[1] * FINER)), round(radius * FINER)


def _curve(start: Point, bend: Point, end: Point) -> list[Point]:
    """Return 32 points of a quadratic Bezier curve."""
    at = np.linspace(0, 1, 32)[:, None]
    points = (1 - at) ** 2 * start + 2 * at * (1 - at) * np.array(bend) + at**2 * end
    return [(float(x), float(y)) for x, y in points]


def _textured(
    colour: tuple[int, int, int], width: int, height: int, seed: int
) -> NDArray[np.uint8]:
    """Return a surface of a colour with grain, UINT8 [H, W, 3], darker towards its foot."""
    random = np.random.default_rng(seed)
    grain = np.zeros((height, width), np.float32)
    for cells in (8, 60):
        noise = random.normal(0, TEXTURE / 2, (cells, cells)).astype(np.float32)
        grain += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    light = np.linspace(1.08, 0.86, height, dtype=np.float32)[:, None, None]
    shaded = (np.array(colour, np.float32) + grain[..., None]) * light
    return np.asarray(np.clip(shaded, 0, 255), np.uint8)
