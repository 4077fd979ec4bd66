"""One picture repaired and judged; a row of the results."""

from __future__ import annotations

from dataclasses import dataclass
from time import process_time
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.refine.text import TextFreedom
from pawfect.scores.look import look
from perf.lettering.methods import repaired, written_over
from perf.lettering.signs import Sign
from perf.lettering.tesseract import read_line

# Of the box's height: how far from the letters of photo and truth a pixel may change.
NEIGHBOURHOOD: Final = 0.35
# Levels: what differs by more between photo and truth is letters, not what JPEG made of them.
_DIFFERS: Final = 24


@dataclass(frozen=True)
class Row:
    """How one picture went.

    Attributes:
        index: of the picture.
        half: development or unseen.
        thing: sign, tag or mug.
        ground: what it is made of.
        typeface: of its text.
        old: the wrong text.
        new: the right one.
        on_truth: what tesseract reads on the truth.
        on_repaired: and after correction.
        on_written_over: and on the box written over.
        changed_outside: px that changed outside the letters' neighbourhood.
        look: ST-LPIPS of the repaired picture to the truth on the letters' crop.
        look_written_over: of the box written over.
        look_photo: of the photo with the wrong text.
        font: the face that was chosen.
        likeness: of that face to the old letters.
        reused: letters that were cut out of the old text.
        read_again: what the product's own reader read in the end.
        tries: how often the text was set.
        fits: whether it fits.
        cpu_seconds: of the repair, its three or more readings included.
    """

    index: int
    half: str
    thing: str
    ground: str
    typeface: str
    old: str
    new: str
    on_truth: str
    on_repaired: str
    on_written_over: str
    changed_outside: int
    look: float
    look_written_over: float
    look_photo: float
    font: str
    likeness: float | None
    reused: str
    read_again: str | None
    tries: int
    fits: bool
    cpu_seconds: float


@dataclass(frozen=True, eq=False)
class Judged:
    """A row with its pictures, UINT8 [H, W, 3]."""

    row: Row
    sign: Sign
    repaired: NDArray[np.uint8]
    written_over: NDArray[np.uint8]


def judged(sign: Sign, freedom: TextFreedom, half: str) -> Judged:
    """Repair a picture and judge it."""
    start = process_time()
    image, report = repaired(sign, freedom)
    seconds = process_time() - start
    plain = written_over(sign)
    hole = letters_area(sign)
    row = Row(
        sign.index, half, sign.thing, sign.ground, sign.typeface.family, sign.old, sign.new,
        on_truth=read_line(sign.truth, sign.line),
        on_repaired=read_line(image, sign.line),
        on_written_over=read_line(plain, sign.line),
        changed_outside=changed_outside(sign, image),
        look=look(image, sign.truth, hole),
        look_written_over=look(plain, sign.truth, hole),
        look_photo=look(sign.photo, sign.truth, hole),
        font=report.font,
        likeness=report.likeness,
        reused=report.reused,
        read_again=report.read,
        tries=report.tries,
        fits=report.fits,
        cpu_seconds=round(seconds, 2),
    )  # fmt: skip
    return Judged(row, sign, image, plain)


def letters_area(sign: Sign) -> NDArray[np.uint8]:
    """Return the box around where letters stand in the photo or in the truth, UINT8 [H, W]."""
    x, y, w, h = sign.box
    apart = np.abs(sign.photo.astype(np.int16) - sign.truth).max(2) > _DIFFERS
    marked = cv2.morphologyEx(apart.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    marked[y : y + h, x : x + w] = 1
    x, y, w, h = cv2.boundingRect(marked)
    area = np.zeros(marked.shape, np.uint8)
    area[y : y + h, x : x + w] = 255
    return area


def changed_outside(sign: Sign, image: NDArray[np.uint8]) -> int:
    """Count the px that changed outside the letters' neighbourhood."""
    by = 2 * round(NEIGHBOURHOOD * sign.box[3]) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (by, by))
    near = cv2.dilate(sign.inked.astype(np.uint8), disc) > 0
    return int(((image != sign.photo).any(2) & ~near).sum())
