"""The old letters of a correction: found, read and measured; and read again once they are new."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.reading import ReadText
from pawfect.contract.refine import Bbox, Correction
from pawfect.contract.tensors import MAX_SIDE
from pawfect.lettering.blank import blank_line
from pawfect.lettering.hole import OldInk, bounds, inked, unread
from pawfect.lettering.lines import lines_in, shared_out
from pawfect.lettering.old import OldLine, SetLine, studied
from pawfect.picture.box import Box
from pawfect.stop import Stop, never

_AROUND: Final = 16  # px beside what is read again: text at a picture's very edge is read badly
_NEAR: Final = 4.0  # of the box's height: a line within that may lend an empty box its looks
_SMALL_PX: Final = 48  # lower boxes are enlarged before they are read a second time
_TWICE: Final = 2  # how much

_NOT_TOLD: Final = "old letters that were read could not be told from their ground: nothing was set"
_UNREAD: Final = "nothing could be read there: what stood off the ground was taken out"
_NO_FACE: Final = "no letters were set: no bundled face can write all of them"


class Read(Protocol):
    """`text_reading`."""

    async def __call__(self, image: NDArray[np.uint8]) -> Sequence[ReadText]:
        """Return what is written in a photo UINT8 [H, W, 3], in reading order."""
        ...


@dataclass(frozen=True, eq=False)
class NewLine:
    """One line of a correction: where, and what is to stand there."""

    line: OldLine
    new: str


@dataclass(frozen=True, eq=False)
class Studied:
    """A correction with its lines as they were before anything changed.

    Attributes:
        correction: the payload's.
        old_text: what was read there.
        gone: the old letters that are to be taken out.
        lines: the lines that are to be set; none where nothing is to change.
        note: what could not be done as it was asked for.
    """

    correction: Correction
    old_text: str | None
    gone: tuple[OldInk, ...] = ()
    lines: tuple[NewLine, ...] = ()
    note: str | None = None


async def study(
    image: NDArray[np.uint8],
    correction: Correction,
    texts: tuple[ReadText, ...],
    read: Read,
    stop: Stop = never,
) -> Studied:
    """Find the old letters of a correction and measure them.

    Where none are read, what stands off the box's ground is taken for letters that cannot be read.
    Where letters are read that cannot be told from their ground, nothing is to change: new ones
    would stand across them.
    """
    lines = lines_in(texts, correction.bbox)
    if not lines:
        lines = lines_in(await _read_closely(image, correction.bbox, read), correction.bbox)
    if not lines:
        return await _without_reading(image, correction, texts, stop)
    old_text = "\n".join(line.text for line in lines)
    gone: list[OldInk] = []
    new_lines = []
    for line, new in zip(
        lines, shared_out(correction.text, [one.text for one in lines]), strict=True
    ):
        found: OldInk | None
        if new:
            found = measured = await asyncio.to_thread(studied, image, line, new, stop)
            if measured is not None:
                new_lines.append(NewLine(measured, new))
        else:
            found = await asyncio.to_thread(inked, image, line.quad)
        if found is None:
            return Studied(correction, old_text, note=_NOT_TOLD)
        gone.append(found)
    return Studied(correction, old_text, tuple(gone), tuple(new_lines))


async def _without_reading(
    image: NDArray[np.uint8], correction: Correction, texts: tuple[ReadText, ...], stop: Stop
) -> Studied:
    """Study a box in which nothing is read: it is empty, or its letters cannot be read."""
    others = [one.quad for one in texts if one.text]
    old = await asyncio.to_thread(unread, image, correction.bbox, others)
    beside = await _neighbour(image, correction, texts, stop)
    asked = correction.bbox, correction.text, beside
    blank = await asyncio.to_thread(blank_line, image, *asked)
    if blank is None:
        return Studied(correction, None, note=_NO_FACE)
    gone, note = ((), None) if old is None else ((old,), _UNREAD)
    return Studied(correction, None, gone, (NewLine(blank, correction.text),), note)


async def _read_closely(image: NDArray[np.uint8], box: Bbox, read: Read) -> tuple[ReadText, ...]:
    """Read a box and what surrounds it by itself: small text shows better there."""
    x, y, w, h = box
    left, top = max(x - w // 2 - _AROUND, 0), max(y - h - _AROUND, 0)
    part = image[top : y + 2 * h + _AROUND, left : x + w + w // 2 + _AROUND]
    fits = _TWICE * max(part.shape[:2]) <= MAX_SIDE
    factor = _TWICE if h < _SMALL_PX and fits else 1
    if factor > 1:
        size = (part.shape[1] * factor, part.shape[0] * factor)
        part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    found = await read(np.ascontiguousarray(part))
    return tuple(
        ReadText(
            one.quad / np.float32(factor) + np.array((left, top), np.float32), one.text, one.score
        )
        for one in found
    )


async def _neighbour(
    image: NDArray[np.uint8], correction: Correction, texts: tuple[ReadText, ...], stop: Stop
) -> OldLine | None:
    """Measure the text nearest to an empty box."""
    x, y, w, h = correction.bbox
    middle = np.array((x + w / 2, y + h / 2))
    apart = [
        float(np.abs(one.quad.mean(0) - middle).max() - max(w, h) / 2) for one in texts if one.text
    ]
    named = [one for one in texts if one.text]
    if not named or min(apart) > _NEAR * h:
        return None
    nearest = named[int(np.argmin(apart))]
    return await asyncio.to_thread(studied, image, nearest, correction.text, stop)


async def read_again(
    image: NDArray[np.uint8], one: Studied, lines: Sequence[SetLine], read: Read
) -> str | None:
    """Read what stands where a correction was set; None where nothing is read."""
    boxes = [_inked(line) for line in lines if (line.cover > 0).any()]
    if not boxes:
        return None
    box = bounds(one.lines[0].line.frame, image.shape[1], image.shape[0], _AROUND)
    for line in one.lines[1:]:
        box = box.union(bounds(line.line.frame, image.shape[1], image.shape[0], _AROUND))
    around = boxes[0]
    for other in boxes[1:]:
        around = around.union(other)
    found = await read(np.ascontiguousarray(image[box.slices]))
    moved = [
        ReadText(text.quad + np.array((box.x0, box.y0), np.float32), text.text, text.score)
        for text in found
    ]
    return (
        "\n".join(
            line.text
            for line in lines_in(moved, (around.x0, around.y0, around.width, around.height))
        )
        or None
    )


def _inked(line: SetLine) -> Box:
    """Return the box around the letters of a line, px of the photo."""
    x, y, w, h = cv2.boundingRect((line.cover > 0).astype(np.uint8))
    x, y = x + line.window.x0, y + line.window.y0
    return Box(x, y, x + w, y + h)
