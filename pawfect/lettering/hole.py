"""Old letters as they are taken out of a photo: their ink, and what is filled in their place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.lettering.frame import LINE_PX, Frame, box_quad, frame_of, in_part, mapped, rectified
from pawfect.lettering.ink import Ink, find_ink
from pawfect.picture.box import Box
from pawfect.picture.mask import PINHOLE_IMAGE_SHARE

_MASKED: Final = 0.3  # of a pixel of the photo: so much of a letter and it is taken out
_FOREIGN: Final = 5.0  # deviations from the ground: another thing than what the letters stand on
_FOREIGN_BLUR: Final = 2.0  # px of the frame: grain alone is no other thing
_GROUND_NEAR: Final = 0.35  # of the line's height: around the letters, where the ground is judged
_MOSTLY: Final = 0.6  # share of what surrounds letters: less of one ground, and it is a pattern
_PLATE: Final = 0.6  # share of a box: letters cover less, so that is what they would stand on
_LEAST_PX: Final = 8  # of a box's sides: in a smaller one no letter is told from grain


@dataclass(frozen=True, eq=False)
class OldInk:
    """Old letters as far as they have to be known to be taken out.

    Attributes:
        frame: where they lie.
        ink: what they cover, in the frame.
    """

    frame: Frame
    ink: Ink


def inked(photo: NDArray[np.uint8], quad: NDArray[np.float32]) -> OldInk | None:
    """Find the letters within four corners, FP32 [4, 2]; None where nothing stands off its ground.

    Args:
        photo: UINT8 [H, W, 3].
        quad: px, clockwise from the text's own upper left.
    """
    frame = frame_of(quad)
    window, local = window_of(photo, frame)
    ink = find_ink(rectified(window.astype(np.float32), local), frame.line)
    return None if ink is None else OldInk(frame, ink)


def unread(
    photo: NDArray[np.uint8],
    box: tuple[int, int, int, int],
    others: Iterable[NDArray[np.float32]] = (),
) -> OldInk | None:
    """Find what looks like letters in a box in which none could be read.

    Args:
        photo: UINT8 [H, W, 3].
        box: x, y, width, height, px.
        others: corners FP32 [4, 2] of texts that the box does not mean: they stay.

    Returns:
        None where nothing stands off the ground, or where it fills most of the box: a plate.
    """
    if min(box[2:]) < _LEAST_PX:
        return None
    found = inked(photo, box_quad(*box))
    if found is None:
        return None
    free = np.ones(found.ink.mask.shape, np.uint8)
    back = np.linalg.inv(found.frame.to_photo)
    for quad in others:
        corners = np.rint(mapped(quad.astype(np.float64), back)).astype(np.int32)
        cv2.fillConvexPoly(free, corners, (0,))
    alpha = found.ink.alpha * free
    share = float((alpha[found.frame.line.slices] > 0.5).mean())
    if not 0 < share < _PLATE:
        return None
    return replace(found, ink=replace(found.ink, alpha=alpha, mask=found.ink.mask & (free > 0)))


def window_of(photo: NDArray[np.uint8], frame: Frame) -> tuple[NDArray[np.uint8], Frame]:
    """Return the part of a photo that a frame shows, and the frame as it lies in that part."""
    box = bounds(frame, photo.shape[1], photo.shape[0], 8)
    return photo[box.slices], in_part(frame, box.x0, box.y0)


def outline(frame: Frame) -> NDArray[np.float64]:
    """Return the corners of what a frame shows, FP64 [4, 2], px of the photo."""
    w, h = frame.width - 1.0, frame.height - 1.0
    return mapped(np.array([(0, 0), (w, 0), (w, h), (0, h)], np.float64), frame.to_photo)


def bounds(frame: Frame, width: int, height: int, margin: int) -> Box:
    """Return the box around what a frame shows of a photo, with a margin, px."""
    corners = outline(frame)
    low, high = np.floor(corners.min(0)) - margin, np.ceil(corners.max(0)) + margin + 1
    x0, y0 = (int(v) for v in np.clip(low, 0, (width - 2, height - 2)))
    x1, y1 = (int(v) for v in np.clip(high, (x0 + 1, y0 + 1), (width, height)))
    return Box(x0, y0, x1, y1)


def letters_mask(line: OldInk, size: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return a line's letters with rims and shadows as a mask of the photo, UINT8 [H, W]."""
    ink = line.ink.mask.astype(np.float32)
    if line.frame.scale > 1:
        ink = np.asarray(cv2.GaussianBlur(ink, (0, 0), 0.3 * line.frame.scale), np.float32)
    mask = np.zeros((size[0], size[1]), np.uint8)
    box, shown = _in_photo(ink, line.frame, size)
    mask[box.slices] = np.where(shown > _MASKED, 255, 0)
    return mask


def _in_photo(
    plane: NDArray[np.float32], frame: Frame, size: tuple[int, ...]
) -> tuple[Box, NDArray[np.float32]]:
    """Return a plane of a frame as its photo shows it, 0 beyond it, and in which part of it."""
    box = bounds(frame, size[1], size[0], 8)
    matrix = in_part(frame, box.x0, box.y0).to_photo
    return box, np.asarray(cv2.warpPerspective(plane, matrix, (box.width, box.height)), np.float32)


def other_ground(line: OldInk, size: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return what is not the letters' ground as a mask of the photo, UINT8 [H, W], 255 = other.

    That is what lies beyond the frame, and in it what differs clearly from the ground, such as what
    is seen beside a sign: nothing of it may be copied to where letters were.
    """
    differs = cv2.GaussianBlur(line.ink.away, (0, 0), _FOREIGN_BLUR) > _FOREIGN
    same = ~(differs & ~line.ink.mask)
    near = np.zeros(same.shape, np.bool_)
    pad = round(_GROUND_NEAR * LINE_PX)
    box = line.ink.box
    near[max(box.y0 - pad, 0) : box.y1 + pad, max(box.x0 - pad, 0) : box.x1 + pad] = True
    if same[near].mean() < _MOSTLY:
        same[:] = True
    other = np.full((size[0], size[1]), 255, np.uint8)
    box, shown = _in_photo(same.astype(np.float32), line.frame, size)
    other[box.slices] = np.where(shown < 0.5, 255, 0)
    return other


def neighbourhood(frame: Frame, size: tuple[int, ...]) -> NDArray[np.bool_]:
    """Mark what a frame shows of a photo, BOOL [H, W]: beyond it nothing changes."""
    plane = np.zeros((size[0], size[1]), np.uint8)
    cv2.fillConvexPoly(plane, np.rint(outline(frame)).astype(np.int32), (1,))
    return plane > 0


@dataclass(frozen=True, eq=False)
class Hole:
    """What is filled where old letters were, in a photo of [H, W] px.

    Attributes:
        mask: UINT8 [H, W], 255 = letters with rims and shadows.
        other: UINT8 [H, W], 255 = what is neither filled nor copied from.
    """

    mask: NDArray[np.uint8]
    other: NDArray[np.uint8]


def hole_of(
    letters: Iterable[OldInk], size: tuple[int, ...], kept: NDArray[np.bool_] | None = None
) -> Hole:
    """Mark old letters; all else but their own grounds is not copied from.

    Small gaps in letters, such as the inside of an O, are marked as other too: cleaning a mask
    would take them for noise and close them.

    Args:
        letters: to be taken out.
        size: the photo's height and width.
        kept: BOOL [H, W], what never changes.
    """
    mask, other = np.zeros((size[0], size[1]), np.uint8), np.full((size[0], size[1]), 255, np.uint8)
    for one in letters:
        box = bounds(one.frame, size[1], size[0], 8)
        own = replace(one, frame=in_part(one.frame, box.x0, box.y0))
        part = (box.height, box.width)
        mask[box.slices] |= np.where(neighbourhood(own.frame, part), letters_mask(own, part), 0)
        other[box.slices] &= other_ground(own, part)
    if kept is not None:
        mask[kept] = 0
        other[kept] = 255
    if mask.any():
        other |= enclosed(mask)
    other[mask > 0] = 0
    return Hole(mask, other)


def enclosed(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the gaps in a mask that cleaning it would close, UINT8 [H, W], 255 = gap."""
    x, y, w, h = cv2.boundingRect(mask)
    part = slice(y, y + h), slice(x, x + w)
    gaps = np.pad((mask[part] == 0).astype(np.uint8), 1, constant_values=1)
    # 4-connected: the complement of 8-connected letters.
    _, labels, stats, _ = cv2.connectedComponentsWithStats(gaps, connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < max(mask.size * PINHOLE_IMAGE_SHARE, 1)
    small[[0, labels[0, 0]]] = False
    found = small[labels]
    out = np.zeros_like(mask)
    out[part] = np.where(found[1:-1, 1:-1], 255, 0)
    return out


def filled_in(
    photo: NDArray[np.uint8], filled: NDArray[np.uint8], letters: Iterable[OldInk]
) -> NDArray[np.uint8]:
    """Return a photo with a fill within the frames of some letters, UINT8 [H, W, 3]."""
    out = photo.copy()
    for one in letters:
        box = bounds(one.frame, photo.shape[1], photo.shape[0], 8)
        frame = in_part(one.frame, box.x0, box.y0)
        near = neighbourhood(frame, (box.height, box.width))
        out[box.slices][near] = filled[box.slices][near]
    return out


def put_back(
    image: NDArray[np.uint8], photo: NDArray[np.uint8], letters: Iterable[OldInk]
) -> NDArray[np.uint8]:
    """Return an image in which some letters of its photo stand again, UINT8 [H, W, 3]."""
    out = image.copy()
    for one in letters:
        box = bounds(one.frame, photo.shape[1], photo.shape[0], 8)
        own = replace(one, frame=in_part(one.frame, box.x0, box.y0))
        stood = letters_mask(own, (box.height, box.width)) > 0
        out[box.slices][stood] = photo[box.slices][stood]
    return out
