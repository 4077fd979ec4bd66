"""New letters in a photo: how wide and where, and then as if they had always been there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.lettering.drawing import Drawn, cap_height, draw
from pawfect.lettering.frame import LINE_PX, Frame, mapped, turned
from pawfect.lettering.ink import Ink
from pawfect.lettering.style import Style
from pawfect.picture import raster
from pawfect.picture.box import Box
from pawfect.picture.grain import noise_level, sample_grain

_SUPER: Final = 3  # letters are laid at that many px per px of the photo and averaged
_CONDENSED: Final = 0.86  # narrower letters than that look squeezed beside others of their face
_SMALLEST: Final = 0.6  # of the old letters' height: below it, a text does not fit its place
_OFF: Final = 0.16  # of the line's height: what new letters keep from what is no ground
_FOREIGN: Final = (5.0, 0.12)  # deviations from the ground, and share of a column that has them


@dataclass(frozen=True, eq=False)
class Line:
    """A text as it is to be laid into a frame.

    Attributes:
        drawn: the text.
        matrix: FP64 [3, 3] from px of the text, from its origin, to px of the frame.
        condensed: width of its letters beside the style's, 1 or less.
        scale: their size beside the style's.
        fits: whether it stays within its room with letters that are neither too narrow nor small.
    """

    drawn: Drawn
    matrix: NDArray[np.float64]
    condensed: float
    scale: float
    fits: bool


def room(ink: Ink) -> tuple[float, float]:
    """Return how far letters may spread to the left and to the right of the old ones, frame px."""
    rows = slice(ink.box.y0, ink.box.y1)
    foreign = (ink.away[rows] > _FOREIGN[0]) & ~ink.mask[rows]
    busy = foreign.mean(0) > _FOREIGN[1]
    left = np.flatnonzero(busy[: ink.box.x0])
    right = np.flatnonzero(busy[ink.box.x1 :])
    off = _OFF * LINE_PX
    free_left = ink.box.x0 - (left[-1] + 1 if left.size else 0) - off
    free_right = (right[0] if right.size else busy.size - ink.box.x1) - off
    return max(float(free_left), 0.0), max(float(free_right), 0.0)


def laid_out(
    text: str, style: Style, old: Box, limits: tuple[float, float], scale: float = 1.0
) -> Line:
    """Lay a text where the old one stood, around its middle.

    It is as high as the old one. Where it is too wide for its room it moves within it, then its
    letters are made narrower, then smaller.

    Args:
        text: the new text.
        style: face, spacing, weight and place of the old one.
        old: box of the old letters, px of the frame.
        limits: x from where and up to where letters may stand, px of the frame.
        scale: of the letters, beside the style's.
    """
    match = style.match
    drawn = draw(text, match.cut, match.tracking, match.offset)
    x0, _, x1, _ = (float(edge) for edge in drawn.box)
    matrix = match.matrix
    per_px = float(matrix[0, 0])
    wide, room_px = (x1 - x0) * per_px * scale, limits[1] - limits[0]
    condensed = min(1.0, max(room_px / wide, _CONDENSED))
    smaller = min(1.0, room_px / (wide * condensed))
    # Middle of the old letters, as near to it as the room allows.
    half = wide * condensed * smaller / 2
    middle = min(max((old.x0 + old.x1) / 2, limits[0] + half), limits[1] - half)
    total = scale * smaller
    size = np.diag((total * condensed, total, 1.0))
    up = (1 - total) * cap_height(match.cut) / 2
    size[1, 2] = -up
    lifted = matrix @ size
    # The slant moves what is high, so the middle is taken at half the height of capitals.
    ink_middle = np.array([((x0 + x1) / 2 - drawn.origin[0], -cap_height(match.cut) / 2)])
    shift = np.eye(3)
    shift[0, 2] = middle - mapped(ink_middle, lifted)[0, 0]
    fits = smaller >= _SMALLEST
    return Line(drawn, shift @ lifted, condensed, total, bool(fits))


@dataclass(frozen=True, eq=False)
class Coat:
    """Ink that lies on a photo of [H, W] px.

    Attributes:
        cover: FP32 [H, W], 0 to 1, how far it covers each px.
        drawn: FP32 [H, W], 0 to 1, how far letters of a face do, which have no grain of their own.
        rest: FP32 [H, W, 3], levels: what cut letters have beside ink of an even colour: their
            grain, wear, outlines and shadows.
    """

    cover: NDArray[np.float32]
    drawn: NDArray[np.float32]
    rest: NDArray[np.float32]


def drawn_coat(cover: NDArray[np.float32]) -> Coat:
    """Return the coat of letters that are all drawn."""
    return Coat(cover, cover, np.zeros((*cover.shape, 3), np.float32))


def laid(
    bare: NDArray[np.uint8], coat: Coat, frame: Frame, style: Style, seed: int = 0
) -> NDArray[np.uint8]:
    """Lay ink over a photo.

    Args:
        bare: UINT8 [H, W, 3], the ground without letters.
        coat: the ink; where it is nothing not one pixel changes.
        frame: the line's.
        style: the letters'.
        seed: of the grain.

    Returns:
        UINT8 [H, W, 3].
    """
    out, touched = bare.copy(), (coat.cover > 0) | (np.abs(coat.rest).max(2) > 0.5)
    if not touched.any():
        return out
    x, y, w, h = cv2.boundingRect(touched.astype(np.uint8))
    part = slice(y, y + h), slice(x, x + w)
    ys, xs = np.mgrid[y : y + h, x : x + w].astype(np.float32)
    ink = style.colour.at(*turned(xs, ys, np.linalg.inv(frame.to_photo)))
    grain = grain_like(bare[part], ~touched[part], style.grain, seed)
    share, drawn = coat.cover[part][..., None], coat.drawn[part][..., None]
    mixed = bare[part] * (1 - share) + ink * share + grain * drawn + coat.rest[part]
    pixels = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    out[part] = np.where(touched[part][..., None], pixels, bare[part])
    return out


def coverage_in(
    size: tuple[int, ...], frame: Frame, style: Style, line: Line
) -> NDArray[np.float32]:
    """Return how far each px of a photo [H, W] is covered by a line's letters, FP32, 0 to 1."""
    height, width = size[:2]
    whole = frame.to_photo @ line.matrix
    x0, y0, x1, y1 = line.drawn.box
    corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float64) - line.drawn.origin
    seen = mapped(corners, whole)
    pad = 4 * style.sigma + 4
    left, top = np.maximum(np.floor(seen.min(0) - pad), 0).astype(int)
    right, bottom = np.minimum(np.ceil(seen.max(0) + pad) + 1, (width, height)).astype(int)
    cover = np.zeros((height, width), np.float32)
    if right <= left or bottom <= top:
        return cover
    # Centres of px at whole numbers, in the photo and in what is drawn larger alike.
    enlarge = np.array(
        [
            (_SUPER, 0, -_SUPER * left + (_SUPER - 1) / 2),
            (0, _SUPER, -_SUPER * top + (_SUPER - 1) / 2),
            (0, 0, 1),
        ]
    )
    from_origin = np.array(
        [(1, 0, -line.drawn.origin[0]), (0, 1, -line.drawn.origin[1]), (0, 0, 1)]
    )
    large = ((right - left) * _SUPER, (bottom - top) * _SUPER)
    fine = cv2.warpPerspective(line.drawn.coverage, enlarge @ whole @ from_origin, large)
    small = cv2.resize(fine, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), style.sigma, borderType=cv2.BORDER_CONSTANT)
    cover[top:bottom, left:right] = np.where(soft > 0.004, soft, 0)
    return cover


def grain_like(
    ground: NDArray[np.uint8], bare: NDArray[np.bool_], level: float, seed: int
) -> NDArray[np.float32]:
    """Return noise FP32 [h, w, 3] of a deviation, with the spectrum that the bare ground has."""
    if level <= 0:
        return np.zeros(ground.shape, np.float32)
    rng = np.random.default_rng(seed)
    size = (ground.shape[0], ground.shape[1])
    grain = sample_grain(ground, bare, size, rng, sigma=1.0)
    # Measured as the photo's own was.
    deviation = noise_level(raster.to_pixels(grain + np.float32(128)), np.ones(size, np.bool_))
    if deviation < 0.05:
        return np.zeros(ground.shape, np.float32)
    return np.asarray(grain * np.float32(level / deviation), np.float32)
