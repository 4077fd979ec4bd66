"""A text of letters that were cut out of the old one, with drawn ones where it lacks some."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.lettering.cutting import CutLetter, Placed
from pawfect.lettering.drawing import draw
from pawfect.lettering.frame import Frame, mapped, turned
from pawfect.lettering.ink import Ink
from pawfect.lettering.setting import Coat, Line, coverage_in
from pawfect.lettering.style import Style
from pawfect.picture.box import Box

_NEARLY: Final = 0.05  # of the way from ground to ink: grain reaches that far
_RIM: Final = 0.3  # coverage up to which what is beside ink fades, where it is only grain
_REACH: Final = 3  # px: how far a cubic spreads what it maps, and one more
_EFFECT: Final = 7.0  # levels, on the average beside letters: an outline or a shadow, not grain


@dataclass(frozen=True, eq=False)
class OldCoat:
    """The old letters in their photo of [H, W] px.

    Attributes:
        cover: FP32 [H, W], 0 to 1, how far they cover it.
        rest: FP32 [H, W, 3], levels by which the photo differs from ink of an even colour laid
            over the bare ground.
    """

    cover: NDArray[np.float32]
    rest: NDArray[np.float32]


def old_coat(photo: NDArray[np.uint8], bare: NDArray[np.uint8], frame: Frame, ink: Ink) -> OldCoat:
    """Measure old letters at their photo's own resolution.

    Args:
        photo: UINT8 [H, W, 3], with them.
        bare: UINT8 [H, W, 3], without.
        frame: theirs.
        ink: theirs.
    """
    size = (photo.shape[1], photo.shape[0])
    near = cv2.warpPerspective(ink.mask.astype(np.float32), frame.to_photo, size) > _NEARLY
    ys, xs = np.mgrid[: photo.shape[0], : photo.shape[1]].astype(np.float32)
    colour = ink.colour.at(*turned(xs, ys, np.linalg.inv(frame.to_photo)))
    step, change = colour - bare, photo.astype(np.float32) - bare
    alpha = (change * step).sum(-1) / np.maximum((step * step).sum(-1), 1.0)
    cover = np.clip((alpha - _NEARLY) / (1 - 2 * _NEARLY), 0, 1)
    cover = np.where(near, cover, 0).astype(np.float32)
    rest = np.where(near[..., None], change - step * cover[..., None], 0)
    beside = near & (cover < _NEARLY)
    if not beside.any() or np.abs(rest[beside].mean(0)).max() < _EFFECT:
        rest = rest * np.clip(cover / _RIM, 0, 1)[..., None]
    return OldCoat(cover, rest.astype(np.float32))


def mosaic(
    old: OldCoat, frame: Frame, style: Style, letters: tuple[Placed, ...], left: float
) -> Coat:
    """Set a text of cut and drawn letters.

    Args:
        old: the old letters.
        frame: the line's.
        style: the letters'.
        letters: as they were arranged.
        left: px of the em: where the arrangement begins, from the old text's origin.
    """
    cover, drawn = np.zeros_like(old.cover), np.zeros_like(old.cover)
    rest, owner = np.zeros_like(old.rest), np.zeros_like(old.cover)
    for one in letters:
        shift = np.array([(1, 0, one.shift + left), (0, 1, 0), (0, 0, 1)], np.float64)
        if one.cut is None:
            glyph = draw(one.letter, style.match.cut, 0.0, style.match.offset)
            sized = style.match.matrix @ shift @ np.diag((one.scale, one.scale, 1.0))
            part = coverage_in(old.cover.shape, frame, style, Line(glyph, sized, 1.0, 1.0, True))
            drawn, cover = np.maximum(drawn, part), np.maximum(cover, part)
            continue
        found = _shifted(old, frame, style, one.cut, shift)
        if found is None:
            continue
        box, planes, weight = found
        first = weight > owner[box.slices]
        rest[box.slices][first] = planes[..., 1:][first]
        owner[box.slices] = np.maximum(owner[box.slices], weight)
        cover[box.slices] = np.maximum(cover[box.slices], planes[..., 0])
    cover = np.where(cover > 0.004, np.minimum(cover, 1), 0).astype(np.float32)
    return Coat(cover, drawn, rest)


def _shifted(
    old: OldCoat, frame: Frame, style: Style, cut: CutLetter, shift: NDArray[np.float64]
) -> tuple[Box, NDArray[np.float32], NDArray[np.float32]] | None:
    """Move one letter: to which box, its coverage and what it has besides, and how far it lies.

    Returns:
        Where to, FP32 [h, w, 4] and FP32 [h, w]; None where nothing of it is left in the window.
    """
    size = old.cover.shape
    stood = _warped(cut.mask.astype(np.float32), frame.to_photo, size, cv2.INTER_LINEAR)
    if stood is None:
        return None
    source, mask = stood
    matrix = style.match.matrix
    in_frame = matrix @ shift @ np.linalg.inv(matrix)
    move = frame.to_photo @ in_frame @ np.linalg.inv(frame.to_photo) @ _from(source)
    lying = old.cover[source.slices] * mask, old.rest[source.slices] * mask[..., None]
    box = _landing(mask.shape, move, size)
    if box is None:
        return None
    to = (box.width, box.height)
    moved = cv2.warpPerspective(np.dstack(lying), _to(box) @ move, to, flags=cv2.INTER_CUBIC)
    weight = cv2.warpPerspective(mask, _to(box) @ move, to, flags=cv2.INTER_LINEAR)
    return box, np.asarray(moved, np.float32), np.asarray(weight, np.float32)


def _warped(
    plane: NDArray[np.float32], matrix: NDArray[np.float64], size: tuple[int, ...], flags: int
) -> tuple[Box, NDArray[np.float32]] | None:
    """Map what a plane has into a window of (height, width): to which box, and what is there."""
    x, y, w, h = cv2.boundingRect((plane > 0).astype(np.uint8))
    part = Box(x, y, x + w, y + h)
    whole = matrix @ _from(part)
    box = _landing((h, w), whole, size)
    if not part.area or box is None:
        return None
    own = np.ascontiguousarray(plane[part.slices])
    shown = cv2.warpPerspective(own, _to(box) @ whole, (box.width, box.height), flags=flags)
    return box, np.asarray(shown, np.float32)


def _landing(
    shape: tuple[int, ...], matrix: NDArray[np.float64], size: tuple[int, ...]
) -> Box | None:
    """Return the part of a window in which something [h, w] lies once it was mapped."""
    x, y = shape[1] - 1.0, shape[0] - 1.0
    corners = mapped(np.array([(0, 0), (x, 0), (x, y), (0, y)], np.float64), matrix)
    reach = _REACH * max(float(np.abs(np.diff(corners, axis=0)).max() / max(x, y, 1.0)), 1.0)
    low = np.maximum(np.floor(corners.min(0) - reach), 0).astype(int)
    high = np.minimum(np.ceil(corners.max(0) + reach) + 1, (size[1], size[0])).astype(int)
    if (high <= low).any():
        return None
    return Box(int(low[0]), int(low[1]), int(high[0]), int(high[1]))


def _from(box: Box) -> NDArray[np.float64]:
    return np.array([(1, 0, box.x0), (0, 1, box.y0), (0, 0, 1)], np.float64)


def _to(box: Box) -> NDArray[np.float64]:
    return np.array([(1, 0, -box.x0), (0, 1, -box.y0), (0, 0, 1)], np.float64)
