"""A line of old letters with everything that was measured of it, and new letters in its place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.reading import ReadText
from pawfect.lettering.cutting import arranged, cut_letters, squeezed
from pawfect.lettering.drawing import cap_height, draw
from pawfect.lettering.faces import EM, faces_for
from pawfect.lettering.frame import Frame, in_part
from pawfect.lettering.hole import OldInk, bounds, inked, neighbourhood, window_of
from pawfect.lettering.likeness import closest
from pawfect.lettering.lines import respaced
from pawfect.lettering.mosaic import mosaic, old_coat
from pawfect.lettering.setting import Coat, Line, coverage_in, drawn_coat, laid, laid_out, room
from pawfect.lettering.style import Style, measured
from pawfect.picture.box import Box
from pawfect.stop import Stop, never

REUSE: Final = ("any", "most", "all", "none")
"""Which letters are cut out of the old text and set again: whichever can be; those of a text of
which most, or all, can be, or where drawn ones are hardly told from them; none."""
_MOST: Final = 0.6  # share of the new letters: the others pass for a hand's own variation
_TWIN: Final = 0.95  # likeness from which drawn letters may stand beside cut ones

LEGIBLE_PX: Final = 7.0
"""px of the photo: capitals in an empty box; the reader reads all of letters of 10 to 12 px."""


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
class OldLine(OldInk):
    """A line of old letters.

    Attributes:
        text: what they say; empty where none stood.
        style: what they look like.
        limits: x from where and up to where new letters may stand, px of the frame.
    """

    text: str
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


def studied(
    photo: NDArray[np.uint8], line: ReadText, new: str, stop: Stop = never
) -> OldLine | None:
    """Measure a line of old letters.

    Args:
        photo: UINT8 [H, W, 3].
        line: where it is, and what it says.
        new: what is to stand there.
        stop: asked before each face.

    Returns:
        None where no letter stands off its ground.

    Raises:
        PawfectError: CANCELLED where `stop` says so.
    """
    found_ink = inked(photo, line.quad)
    if found_ink is None:
        return None
    frame, ink = found_ink.frame, found_ink.ink
    window, local = window_of(photo, frame)
    faces = faces_for(new)
    says = [line.text, respaced(line.text, new)]
    matches = [(closest(ink, old, new, faces, stop), old) for old in dict.fromkeys(says)]
    found = [(match, old) for match, old in matches if match is not None]
    if not found:
        return None
    match, old = max(found, key=lambda pair: pair[0].likeness)
    style = measured(np.ascontiguousarray(window), local, ink, old, match)
    left, right = room(ink)
    # Signs, tags and mugs have their words in the middle: as much is free on either side.
    free = min(left, right)
    return OldLine(frame, ink, old, style, (ink.box.x0 - free, ink.box.x1 + free))


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
    frame = in_part(line.frame, box.x0, box.y0)
    old_part, bare_part = photo[box.slices], np.ascontiguousarray(bare[box.slices])
    style = _attempted(line.style, attempt)
    found = _mosaic(old_part, bare_part, frame, line, new, attempt)
    if found is None:
        laid_line = laid_out(new, style, line.ink.box, line.limits, attempt.scale)
        coat = drawn_coat(coverage_in(bare_part.shape, frame, style, laid_line))
        reused, fits = "", laid_line.fits and _legible(line, laid_line)
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


def _legible(line: OldLine, new: Line) -> bool:
    """Tell whether letters in an empty box are large enough to be read."""
    match = line.style.match
    capitals = cap_height(match.cut) * float(match.matrix[1, 1]) * new.scale / line.frame.scale
    return bool(line.text) or capitals >= LEGIBLE_PX


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
