"""The fur set: pictures of furry subjects with whiskers, drawn from a seed, with known alpha.

A picture is a body of soft lumps, some thousand tapered hairs along its outline and some whiskers,
laid over a drawn or photographed background; part of the outline is out of focus. Widths and
lengths follow the picture's size, so that a picture of 12 MP has hairs some 2 px wide. The same
seed and size give the same picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from perf.matting.backgrounds import BACKGROUNDS, background_of, blurred

# The photos' usual shape; 12 MP is 3000 x 4000.
SIZE: Final = (1200, 1600)
# Hairs are drawn at so many times the size and shrunk by averaging: half a pixel's width shows.
_OVERSAMPLING: Final = 2
# Shares of the longer side.
_HAIR_WIDTH: Final = 1 / 1800
_HAIR_LENGTH: Final = 1 / 36
_WHISKER_LENGTH: Final = 1 / 7
_HAIRS: Final = 5000
_WHISKERS: Final = 16
# Joints of a hair: enough for one bend.
_JOINTS: Final = 7
# Fur as grey, brown, cream, black and white; RGB 0-255.
_COATS: Final = ((120, 118, 122), (142, 98, 62), (214, 190, 150), (42, 38, 40), (232, 230, 226))
_GRAIN: Final = 1.5  # of the sensor, standard deviation in 1/255

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Fur:
    """A furry subject before a background. All arrays share H and W.

    Attributes:
        photo: UINT8 [H, W, 3] RGB.
        alpha: FLOAT32 [H, W], the subject's true opacity, 0 to 1.
        foreground: FLOAT32 [H, W, 3] RGB 0 to 255, the subject's own colours, defined everywhere.
        background: the background's name.
    """

    photo: NDArray[np.uint8]
    alpha: Floats
    foreground: Floats
    background: str


def make(seed: int, size: tuple[int, int] = SIZE) -> Fur:
    """Draw one picture.

    Args:
        seed: from 0; any six in a row have each kind of background, of which one is coloured
            nearly as the fur is.
        size: height and width, px.
    """
    rng = np.random.default_rng(seed)
    coat = np.array(_COATS[int(rng.integers(len(_COATS)))], np.float32)
    body = _body(rng, size)
    alpha, foreground = _haired(rng, body, coat)
    alpha, foreground = _focused(rng, alpha, foreground)
    kind = BACKGROUNDS[seed % len(BACKGROUNDS)]
    behind = background_of(kind, rng, size, coat)
    mixed = alpha[..., None] * foreground + (1 - alpha[..., None]) * behind
    mixed += _GRAIN * rng.standard_normal(mixed.shape, np.float32)
    photo = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return Fur(photo, alpha, foreground, kind)


def as_a_network_sees(alpha: Floats, side: int, seed: int = 0) -> Floats:
    """Return alpha as a network gives it that looks at `side` x `side` px.

    Hairs thinner than its pixels are lost, the outline is a ramp of some 3 of them and off by up
    to half of one: what U2-Net-p's own answers look like.

    Args:
        alpha: FLOAT32 [H, W], the true one.
        side: px.
        seed: of the outline's errors.

    Returns:
        FLOAT32 [side, side], 0 to 1.
    """
    small = cv2.resize(alpha, (side, side), interpolation=cv2.INTER_AREA)
    small = blurred(np.asarray(small, np.float32), 1.2)
    noise = np.random.default_rng(seed).standard_normal((side, side), np.float32)
    off = blurred(noise, 6.0)
    off *= np.float32(0.06) / max(float(off.std()), 1e-6)
    return np.asarray(np.clip((small + off * (small > 0.02) - 0.5) * 1.7 + 0.5, 0, 1), np.float32)


def _body(rng: np.random.Generator, size: tuple[int, int]) -> Floats:
    """Return a body with a head as FLOAT32 [H, W], 1 inside, its outline a ramp of a pixel."""
    height, width = size
    y, x = np.mgrid[:height, :width].astype(np.float32)
    across, down = width * rng.uniform(0.4, 0.6), height * rng.uniform(0.62, 0.75)
    nearest = np.full(size, np.inf, np.float32)
    for dx, dy, reach in ((0, 0, 0.24), (0.05, -0.3, 0.17), (-0.12, 0.1, 0.2), (0.14, 0.14, 0.18)):
        mx, my = across + dx * height, down + dy * height
        reach *= height * rng.uniform(0.9, 1.1)
        away = np.hypot(x - mx, (y - my) * np.float32(rng.uniform(0.85, 1.15))) / reach
        np.minimum(nearest, away, out=nearest)
    lumps = cv2.resize(
        rng.standard_normal((9, 12), np.float32), (width, height), interpolation=cv2.INTER_CUBIC
    )
    inside = (1 - nearest + 0.05 * lumps) * np.float32(0.2 * height)
    return np.asarray(np.clip(inside + 0.5, 0, 1), np.float32)


def _haired(rng: np.random.Generator, body: Floats, coat: Floats) -> tuple[Floats, Floats]:
    """Grow hairs and whiskers from the body's outline; returns alpha and the fur's colours."""
    height, width = body.shape
    long = max(height, width)
    scale = _OVERSAMPLING
    cover = cv2.resize(body, (width * scale, height * scale), interpolation=cv2.INTER_LINEAR)
    cover = np.rint(cover * 255).astype(np.uint8)
    colours = _coat(rng, body.shape, coat)
    outline = _outline(body)
    roots, away = outline[rng.integers(len(outline), size=_HAIRS)], rng.normal(0, 0.5, _HAIRS)
    lengths = long * _HAIR_LENGTH * rng.uniform(0.3, 1.6, _HAIRS)
    hairs = _grown(rng, roots, away, lengths, bend=0.8)
    near = outline[np.abs(outline[:, 1] - np.quantile(outline[:, 1], 0.12)) < height * 0.05]
    picked = near[rng.integers(len(near), size=_WHISKERS)]
    whiskers = _grown(
        rng,
        picked,
        rng.normal(0, 0.4, _WHISKERS),
        long * _WHISKER_LENGTH * rng.uniform(0.5, 1.1, _WHISKERS),
        bend=0.3,
    )
    pale = np.where(coat.mean() < 128, 225.0, 245.0) + rng.normal(0, 6, (_WHISKERS, 1))
    shades = coat * rng.uniform(0.7, 1.25, (_HAIRS, 1)) + rng.normal(0, 4, (_HAIRS, 3))
    thick = max(1.0, long * _HAIR_WIDTH)
    for joints, colour in zip(hairs, shades, strict=True):
        _stroke(cover, colours, joints, colour, thick * float(rng.uniform(0.6, 1.3)))
    for joints, colour in zip(whiskers, np.repeat(pale, 3, 1), strict=True):
        _stroke(cover, colours, joints, colour, thick * 1.3)
    alpha = cv2.resize(cover, (width, height), interpolation=cv2.INTER_AREA)
    return alpha.astype(np.float32) / 255, np.clip(colours, 0, 255)


def _outline(body: Floats) -> NDArray[np.float64]:
    """Return the outline's points as [N, 4]: x, y px, and the direction outwards."""
    contours, _ = cv2.findContours(
        (body > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    points = max(contours, key=len)[:, 0].astype(np.float64)
    smooth = blurred(body, 0.008 * max(body.shape))
    across, down = (cv2.Sobel(smooth, cv2.CV_32F, *order, ksize=3) for order in ((1, 0), (0, 1)))
    x, y = points.astype(int).T
    outwards = -np.stack((across[y, x], down[y, x]), 1)
    outwards /= np.linalg.norm(outwards, axis=1, keepdims=True) + 1e-12
    # Where the picture ends the subject does not.
    height, width = body.shape
    within = (x > 1) & (y > 1) & (x < width - 2) & (y < height - 2)
    placed: NDArray[np.float64] = np.concatenate((points, outwards), 1)[within]
    return placed


def _grown(
    rng: np.random.Generator,
    roots: NDArray[np.float64],
    turned: NDArray[np.float64],
    lengths: NDArray[np.float64],
    bend: float,
) -> NDArray[np.float64]:
    """Return hairs as [N, _JOINTS, 2], x and y px; `turned` from straight outwards, radians."""
    bends = rng.normal(0, bend, len(roots))
    start = np.arctan2(roots[:, 3], roots[:, 2]) + turned
    along = np.linspace(0, 1, _JOINTS)
    angles = start[:, None] + bends[:, None] * along
    steps = lengths[:, None, None] / (_JOINTS - 1) * np.stack((np.cos(angles), np.sin(angles)), -1)
    steps[:, 0] = -3.0 * np.stack((np.cos(start), np.sin(start)), -1)  # px: rooted in the body
    joints: NDArray[np.float64] = roots[:, None, :2] + np.cumsum(steps, 1)
    return joints


def _stroke(
    cover: NDArray[np.uint8],
    colours: Floats,
    joints: NDArray[np.float64],
    colour: NDArray[np.float64],
    thick: float,
) -> None:
    """Draw a hair that tapers to its tip, into the oversampled cover and into the colours."""
    fixed = 16.0  # cv2's points: 4 bits behind the point
    fine = np.rint((joints + 0.5) * _OVERSAMPLING * fixed - fixed / 2).astype(np.int32)
    coarse = np.rint(joints * fixed).astype(np.int32)
    wide = int(np.ceil(thick)) + 2
    cv2.polylines(colours, [coarse], False, colour.tolist(), wide, cv2.LINE_8, 4)
    for i in range(len(joints) - 1):
        left = thick * _OVERSAMPLING * (1 - i / (len(joints) - 1))
        width = max(1, round(left))
        # Thinner than a pixel of the oversampled picture: fainter.
        value = [255 * min(1.0, max(left, 0.3))]
        cv2.polylines(cover, [fine[i : i + 2]], False, value, width, cv2.LINE_AA, 4)


def _coat(rng: np.random.Generator, size: tuple[int, ...], coat: Floats) -> Floats:
    """Return fur as FLOAT32 [H, W, 3]: light from above, streaks, patches of a darker shade."""
    height, width = size
    noise = rng.standard_normal((height, width), np.float32)
    streaks = blurred(noise, max(height / 1200, 0.7), height / 120)
    streaks /= streaks.std()
    patches = cv2.resize(
        rng.standard_normal((5, 7), np.float32), (width, height), interpolation=cv2.INTER_CUBIC
    )
    light = np.linspace(1.12, 0.82, height, dtype=np.float32)[:, None]
    shade = light * (1 + 0.08 * streaks + 0.10 * patches)
    return np.asarray(shade[..., None] * coat, np.float32)


def _focused(rng: np.random.Generator, alpha: Floats, foreground: Floats) -> tuple[Floats, Floats]:
    """Put one side of the subject out of focus."""
    height, width = alpha.shape
    sigma = 0.003 * max(height, width)
    premultiplied = blurred(alpha[..., None] * foreground, sigma)
    soft = blurred(alpha, sigma)
    ramp = np.linspace(-3, 3, width, dtype=np.float32)[None, :] * (1 if rng.random() < 0.5 else -1)
    far = np.clip(ramp - 1, 0, 1)
    mixed = (1 - far) * alpha + far * soft
    colours = (1 - far)[..., None] * alpha[..., None] * foreground
    colours += far[..., None] * premultiplied
    seen = mixed[..., None] > 1 / 512
    own = colours / np.maximum(mixed[..., None], 1 / 512)
    return mixed, np.where(seen, np.clip(own, 0, 255), foreground).astype(np.float32)
