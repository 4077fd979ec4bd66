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
from pawfect.lettering.blank import blank_line
from pawfect.lettering.lines import lines_in, shared_out
from pawfect.lettering.old import OldLine, SetLine, bounds, studied
from pawfect.picture.box import Box

_AROUND: Final = 16  # px beside what is read again: text at a picture's very edge is read badly
_NEAR: Final = 4.0  # of the box's height: a line within that may lend an empty box its looks
_SMALL_PX: Final = 48  # lower boxes are enlarged before they are read a second time
_TWICE: Final = 2  # how much


class Read(Protocol):
    """`text_reading`."""

    async def __call__(self, image: NDArray[np.uint8]) -> Sequence[ReadText]:
        """Return what is written in a photo UINT8 [H, W, 3], in reading order."""
        ...


@dataclass(frozen=True, eq=False)
class Part:
    """One line of a correction: where, and what is to stand there."""

    line: OldLine
    new: str


@dataclass(frozen=True, eq=False)
class Studied:
    """A correction with its lines as they were before anything changed."""

    correction: Correction
    old_text: str | None
    parts: tuple[Part, ...]
    note: str | None


async def study(
    image: NDArray[np.uint8], correction: Correction, texts: tuple[ReadText, ...], read: Read
) -> Studied:
    """Find the old letters of a correction and measure them."""
    lines = lines_in(texts, correction.bbox)
    if not lines:
        lines = lines_in(await _read_closely(image, correction.bbox, read), correction.bbox)
    old_text = "\n".join(line.text for line in lines) or None
    shares = shared_out(correction.text, [line.text for line in lines]) if lines else ()
    parts = []
    for line, new in zip(lines, shares, strict=True):
        found = await asyncio.to_thread(studied, image, line, new)
        if found is not None:
            parts.append(Part(found, new))
    if lines and len(parts) == len(lines):
        return Studied(correction, old_text, tuple(parts), None)
    note = "the old letters could not be told from their ground and stay" if lines else None
    beside = await _neighbour(image, correction, texts)
    blank = blank_line(image, correction.bbox, correction.text, beside)
    new_parts = () if blank is None else (Part(blank, correction.text),)
    return Studied(correction, old_text, new_parts, note)


async def _read_closely(image: NDArray[np.uint8], box: Bbox, read: Read) -> tuple[ReadText, ...]:
    """Read a box and what surrounds it by itself: small text shows better there."""
    x, y, w, h = box
    left, top = max(x - w // 2 - _AROUND, 0), max(y - h - _AROUND, 0)
    part = image[top : y + 2 * h + _AROUND, left : x + w + w // 2 + _AROUND]
    factor = _TWICE if h < _SMALL_PX else 1
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
    image: NDArray[np.uint8], correction: Correction, texts: tuple[ReadText, ...]
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
    return await asyncio.to_thread(studied, image, nearest, correction.text)


async def read_again(
    image: NDArray[np.uint8], one: Studied, lines: Sequence[SetLine], read: Read
) -> str | None:
    """Read what stands where a correction was set; None where nothing is read."""
    inked = [_inked(line) for line in lines if (line.cover > 0).any()]
    if not inked:
        return None
    box = bounds(one.parts[0].line.frame, image.shape[1], image.shape[0], _AROUND)
    for part in one.parts[1:]:
        box = box.union(bounds(part.line.frame, image.shape[1], image.shape[0], _AROUND))
    around = inked[0]
    for other in inked[1:]:
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
