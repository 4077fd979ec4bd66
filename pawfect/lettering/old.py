"""A line of old letters with everything that was measured of it, and new letters in its place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.reading import ReadText
from pawfect.lettering.cutting import arranged, cut_letters, squeezed
from pawfect.lettering.drawing import draw
from pawfect.lettering.faces import EM, faces_for
from pawfect.lettering.frame import LINE_PX, Frame, frame_of, placed, rectified
from pawfect.lettering.ink import Ink, find_ink
from pawfect.lettering.likeness import closest
from pawfect.lettering.lines import respaced
from pawfect.lettering.mosaic import mosaic, old_coat
from pawfect.lettering.setting import Coat, coverage_in, drawn_coat, laid, laid_out, room
from pawfect.lettering.style import Style, measured
from pawfect.picture.box import Box

REUSE: Final = ("any", "most", "all", "none")
"""Which letters are cut out of the old text and set again: whichever can be; those of a text of
which most, or all, can be, or where drawn ones are hardly told from them; none."""
_MOST: Final = 0.6  # share of the new letters: the others pass for a hand's own variation
_TWIN: Final = 0.95  # likeness from which drawn letters may stand beside cut ones
_MASKED: Final = 0.3  # of a pixel of the photo: so much of a letter and it is taken out

_FOREIGN: Final = 5.0  # deviations from the ground: another thing than what the letters stand on
_FOREIGN_BLUR: Final = 2.0  # px of the frame: grain alone is no other thing
_GROUND_NEAR: Final = 0.35  # of the line's height: around the letters, where the ground is judged
_MOSTLY: Final = 0.6  # share of what surrounds letters: less of one ground, and it is a pattern


@dataclass(frozen=True)
class Attempt:
    """One way of setting a text.

    Attributes:
        scale: of the letters beside the old ones.
        heavier: share of the em by which strokes are heavier on every side.
        tracking: share of the em by which letters stand farther apart.
        reuse: one of REUSE.
    """

    scale: float = 1.0
    heavier: float = 0.0
    tracking: float = 0.0
    reuse: str = "none"


@dataclass(frozen=True, eq=False)
class OldLine:
    """A line of old letters.

    Attributes:
        text: what they say.
        frame: where they lie.
        ink: what they cover, in the frame.
        style: what they look like.
        limits: x from where and up to where new letters may stand, px of the frame.
    """

    text: str
    frame: Frame
    ink: Ink
    style: Style
    limits: tuple[float, float]


@dataclass(frozen=True, eq=False)
class SetLine:
    """A line of new letters.

    Attributes:
        image: UINT8 [H, W, 3], the photo with them.
        window: the part of it in which they were set.
        cover: FP32 [h, w], 0 to 1, what they cover of the window.
        fits: whether they fit their place.
        reused: letters that were cut out of the old text.
    """

    image: NDArray[np.uint8]
    window: Box
    cover: NDArray[np.float32]
    fits: bool
    reused: str


def studied(photo: NDArray[np.uint8], line: ReadText, new: str) -> OldLine | None:
    """Measure a line of old letters.

    Args:
        photo: UINT8 [H, W, 3].
        line: where it is, and what it says.
        new: what is to stand there.

    Returns:
        None where no letter stands off its ground.
    """
    frame = frame_of(line.quad)
    window, local = window_of(photo, frame)
    pixels = rectified(window.astype(np.float32), local)
    ink = find_ink(pixels, frame.line)
    if ink is None:
        return None
    faces = faces_for(new or line.text)
    says = [line.text, respaced(line.text, new)]
    matches = [(closest(ink, old, new or old, faces), old) for old in dict.fromkeys(says)]
    found = [(match, old) for match, old in matches if match is not None]
    if not found:
        return None
    match, old = max(found, key=lambda pair: pair[0].likeness)
    style = measured(np.ascontiguousarray(window), local, ink, old, match)
    left, right = room(ink)
    # Signs, tags and mugs have their words in the middle: as much is free on either side.
    free = min(left, right)
    return OldLine(old, frame, ink, style, (ink.box.x0 - free, ink.box.x1 + free))


def window_of(photo: NDArray[np.uint8], frame: Frame) -> tuple[NDArray[np.uint8], Frame]:
    """Return the part of a photo that a frame shows, and the frame as it lies in that part."""
    box = bounds(frame, photo.shape[1], photo.shape[0], 8)
    return photo[box.slices], _moved(frame, (box.x0, box.y0))


def _moved(frame: Frame, origin: tuple[int, int]) -> Frame:
    """Return a frame beside a part of its photo."""
    shift = np.array([(1, 0, -origin[0]), (0, 1, -origin[1]), (0, 0, 1)], np.float64)
    return replace(frame, to_photo=shift @ frame.to_photo)


def outline(frame: Frame) -> NDArray[np.float64]:
    """Return the corners of what a frame shows, FP64 [4, 2], px of the photo."""
    w, h = frame.width - 1.0, frame.height - 1.0
    return placed(np.array([(0, 0), (w, 0), (w, h), (0, h)], np.float64), frame.to_photo)


def bounds(frame: Frame, width: int, height: int, margin: int) -> Box:
    """Return the box around what a frame shows of a photo, with a margin, px."""
    corners = outline(frame)
    low, high = np.floor(corners.min(0)) - margin, np.ceil(corners.max(0)) + margin + 1
    x0, y0 = (int(v) for v in np.clip(low, 0, (width - 2, height - 2)))
    x1, y1 = (int(v) for v in np.clip(high, (x0 + 1, y0 + 1), (width, height)))
    return Box(x0, y0, x1, y1)


def letters_mask(line: OldLine, size: tuple[int, ...]) -> NDArray[np.uint8]:
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
    matrix = _moved(frame, (box.x0, box.y0)).to_photo
    return box, np.asarray(cv2.warpPerspective(plane, matrix, (box.width, box.height)), np.float32)


def other_ground(line: OldLine, size: tuple[int, ...]) -> NDArray[np.uint8]:
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


def set_in_place(
    photo: NDArray[np.uint8], bare: NDArray[np.uint8], line: OldLine, new: str, attempt: Attempt,
    seed: int = 0,
) -> SetLine:  # fmt: skip
    """Set new letters where old ones stood.

    Args:
        photo: UINT8 [H, W, 3], with the old letters.
        bare: UINT8 [H, W, 3], without them.
        line: the old letters.
        new: one line of text.
        attempt: how.
        seed: of the grain.
    """
    box = bounds(line.frame, photo.shape[1], photo.shape[0], 8)
    frame = _moved(line.frame, (box.x0, box.y0))
    old_part, bare_part = photo[box.slices], np.ascontiguousarray(bare[box.slices])
    style = _attempted(line.style, attempt)
    found = _mosaic(old_part, bare_part, frame, line, new, attempt)
    if found is None:
        laid_line = laid_out(new, style, line.ink.box, line.limits, attempt.scale)
        coat, reused, fits = (
            drawn_coat(coverage_in(bare_part.shape, frame, style, laid_line)),
            "",
            laid_line.fits,
        )
    else:
        (coat, reused), fits = found, True
    near = neighbourhood(frame, coat.cover.shape)
    coat = Coat(
        *(
            np.where(near if it.ndim == 2 else near[..., None], it, np.float32(0))
            for it in (coat.cover, coat.drawn, coat.rest)
        )
    )
    image = bare.copy()
    image[box.slices] = laid(bare_part, coat, frame, style, seed)
    return SetLine(image, box, coat.cover, fits, reused)


def _attempted(style: Style, attempt: Attempt) -> Style:
    match = style.match
    changed = replace(
        match,
        offset=match.offset + attempt.heavier * EM,
        tracking=match.tracking + round(attempt.tracking * EM * 2) / 2,
    )
    return replace(style, match=changed)


def _mosaic(
    photo: NDArray[np.uint8], bare: NDArray[np.uint8], frame: Frame, line: OldLine, new: str,
    attempt: Attempt,
) -> tuple[Coat, str] | None:  # fmt: skip
    """Set a text of letters cut out of the old one; None where it may not, or has not enough."""
    if attempt.reuse == "none" or attempt != Attempt(reuse=attempt.reuse):
        return None
    match = line.style.match
    cut = cut_letters(line.ink, line.text, new, match)
    letters = arranged(line.text, new, match, cut)
    reused = "".join(one.letter for one in letters if one.cut is not None)
    least = {"any": 0.0, "most": _MOST, "all": 1.0}[attempt.reuse]
    if not reused or (len(reused) < least * len(letters) and match.likeness < _TWIN):
        return None
    letters = squeezed(letters, (line.limits[1] - line.limits[0]) / float(match.matrix[0, 0]))
    if not letters:
        return None
    old = draw(line.text, match.cut, match.tracking, match.offset)
    middle = (old.box[0] + old.box[2]) / 2 - old.origin[0]
    left = middle - (letters[0].left + letters[-1].right) / 2
    stood = old_coat(photo, bare, frame, line.ink)
    return mosaic(stood, frame, line.style, letters, left), reused
