"""A text of letters that were cut out of the old one, with drawn ones where it lacks some."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.lettering.cutting import CutLetter, Placed
from pawfect.lettering.drawing import draw
from pawfect.lettering.frame import Frame, turned
from pawfect.lettering.ink import Ink
from pawfect.lettering.setting import Coat, Line, coverage_in
from pawfect.lettering.style import Style

_NEARLY: Final = 0.05  # of the way from ground to ink: grain reaches that far
_RIM: Final = 0.3  # coverage up to which what is beside ink fades, where it is only grain
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
    ys, xs = np.mgrid[: photo.shape[0], : photo.shape[1]].astype(np.float64)
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
            drawn = np.maximum(drawn, part)
        else:
            part, own, weight = _shifted(old, frame, style, one.cut, shift)
            rest = np.where((weight > owner)[..., None], own, rest)
            owner = np.maximum(owner, weight)
        cover = np.maximum(cover, part)
    cover = np.where(cover > 0.004, np.minimum(cover, 1), 0).astype(np.float32)
    return Coat(cover, drawn, rest)


def _shifted(
    old: OldCoat, frame: Frame, style: Style, cut: CutLetter, shift: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Move one letter: its coverage, what it has besides, and where it lies."""
    size = (old.cover.shape[1], old.cover.shape[0])
    mask = cv2.warpPerspective(cut.mask.astype(np.float32), frame.to_photo, size)
    matrix = style.match.matrix
    in_frame = matrix @ shift @ np.linalg.inv(matrix)
    move = frame.to_photo @ in_frame @ np.linalg.inv(frame.to_photo)
    planes = np.dstack([old.cover * mask, old.rest * mask[..., None]])
    moved = cv2.warpPerspective(planes, move, size, flags=cv2.INTER_CUBIC)
    weight = cv2.warpPerspective(mask, move, size, flags=cv2.INTER_LINEAR)
    own = np.asarray(moved, np.float32)
    return own[..., 0], own[..., 1:], np.asarray(weight, np.float32)
