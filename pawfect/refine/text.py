"""Texts of a photo corrected: old letters out, new ones set as if they had always been there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import invalid
from pawfect.contract.refine import TextPayload
from pawfect.contract.refine_report import CorrectionReport
from pawfect.lettering.drawing import cap_height
from pawfect.lettering.faces import faces_for, missing
from pawfect.lettering.old import (
    REUSE,
    Attempt,
    SetLine,
    letters_mask,
    neighbourhood,
    other_ground,
    set_in_place,
)
from pawfect.refine.text_study import Part, Read, Studied, read_again, study

# Ways to set a text, in this order until it is read as it should be: as it stood; drawn anew;
# heavier, which helps thin strokes; smaller; farther apart, which helps joined letters.
ATTEMPTS: Final = (
    Attempt(),
    Attempt(heavier=0.012),
    Attempt(scale=0.92),
    Attempt(scale=0.95, heavier=0.008, tracking=0.04),
)


class Fill(Protocol):
    """Inpainting."""

    async def __call__(
        self,
        image: NDArray[np.uint8],
        mask: NDArray[np.uint8],
        protect: NDArray[np.uint8] | None = None,
    ) -> NDArray[np.uint8]:
        """Return the photo UINT8 [H, W, 3] with what is 255 in the mask [H, W] filled."""
        ...


class OnSet(Protocol):
    """Told of each correction that is done."""

    async def __call__(self, place: int, image: NDArray[np.uint8]) -> None:
        """Take the correction's place in the payload, and the photo as far as it is repaired."""
        ...


@dataclass(frozen=True)
class TextFreedom:
    """How free the letters' shape is.

    Attributes:
        reuse: which letters are cut out of the old text and set again: `any` that can be; `most`
            and `all`: none unless so many of the new ones can be, or those drawn beside them are
            hardly told from them; `none`: all are drawn.
    """

    reuse: str = "most"

    def __post_init__(self) -> None:
        if self.reuse not in REUSE:
            raise ValueError(f"reuse: expected one of {', '.join(REUSE)}, got {self.reuse!r}")


@dataclass(frozen=True, eq=False)
class TextRepaired:
    """What became of a photo's texts.

    Attributes:
        image: UINT8 [H, W, 3]; beyond the letters' neighbourhoods bit for bit the photo.
        corrections: one for each of the payload's, in its order.
    """

    image: NDArray[np.uint8]
    corrections: tuple[CorrectionReport, ...]


async def repair_text(
    image: NDArray[np.uint8],
    payload: TextPayload,
    freedom: TextFreedom,
    fill: Fill,
    read: Read,
    on_set: OnSet | None = None,
    seed: int = 0,
) -> TextRepaired:
    """Correct texts.

    Args:
        image: UINT8 [H, W, 3] RGB.
        payload: the corrections.
        freedom: of the letters' shape.
        fill: fills where letters were taken out, all at once.
        read: reads the photo before and each correction afterwards.
        on_set: told of each correction that is done.
        seed: of the new letters' grain.

    Raises:
        PawfectError: INVALID_ARG for letters that no bundled face has; whatever `fill` and `read`
            raise.
    """
    for place, correction in enumerate(payload.corrections):
        _check(f"PAYLOAD: corrections[{place}]: text", correction.text)
    texts = tuple(await read(image))
    studied_all = [await study(image, one, texts, read) for one in payload.corrections]
    size = image.shape[:2]
    near = np.zeros(size, np.bool_)
    mask, other = np.zeros(size, np.uint8), np.full(size, 255, np.uint8)
    for one in studied_all:
        for part in one.parts:
            near |= neighbourhood(part.line.frame, size)
            mask |= letters_mask(part.line, size)
            other &= other_ground(part.line, size)
    mask[~near] = 0
    other[mask > 0] = 0
    out = image
    if mask.any():
        filled = await fill(image, mask, other)
        out = np.where(near[..., None], filled, image)
    reports = []
    for place, one in enumerate(studied_all):
        out, report = await _corrected(image, out, one, freedom, read, seed + place)
        reports.append(report)
        if on_set is not None:
            await on_set(place, out)
    return TextRepaired(out, tuple(reports))


def _check(where: str, text: str) -> None:
    lacking = missing(text)
    if lacking or not text.strip():
        got = f"{', '.join(f'U+{ord(one):04X}' for one in lacking)}" if lacking else "blanks"
        raise invalid(where, "letters that a bundled face has", got)
    if not faces_for(text):
        raise invalid(where, "letters that one bundled face has all of", "letters of several")


async def _corrected(
    photo: NDArray[np.uint8],
    bare: NDArray[np.uint8],
    one: Studied,
    freedom: TextFreedom,
    read: Read,
    seed: int,
) -> tuple[NDArray[np.uint8], CorrectionReport]:
    """Set a correction in one way after another until it is read right; the best one stays."""
    wanted = _plain(one.correction.text)
    best: tuple[float, NDArray[np.uint8], list[SetLine], str | None] | None = None
    tries = 0
    for attempt in _attempts(freedom, one):
        tries += 1
        image, lines = await asyncio.to_thread(_set_all, photo, bare, one.parts, attempt, seed)
        said = await read_again(image, one, lines, read)
        agreed = SequenceMatcher(None, wanted, _plain(said or "")).ratio()
        if best is None or agreed > best[0]:
            best = (agreed, image, lines, said)
        if agreed == 1:
            break
    if best is None:
        return bare, _untouched(one)
    _, image, lines, said = best
    return image, _report(one, lines, said, tries)


def _attempts(freedom: TextFreedom, one: Studied) -> tuple[Attempt, ...]:
    """Return the ways to set a correction: first with letters cut out of the old text."""
    if not one.parts:
        return ()
    reuse = freedom.reuse != "none" and any(part.line.text for part in one.parts)
    return (Attempt(reuse=freedom.reuse), *ATTEMPTS) if reuse else ATTEMPTS


def _set_all(
    photo: NDArray[np.uint8],
    bare: NDArray[np.uint8],
    parts: Sequence[Part],
    attempt: Attempt,
    seed: int,
) -> tuple[NDArray[np.uint8], list[SetLine]]:
    image, lines = bare, []
    for row, part in enumerate(parts):
        if part.new:
            done = set_in_place(photo, image, part.line, part.new, attempt, seed + 1000 * row)
            image = done.image
            lines.append(done)
    return image, lines


def _plain(text: str) -> str:
    """Return a text as two readings are compared: without blanks, capitals like small letters."""
    return "".join(text.split()).casefold()


def _report(
    one: Studied, lines: Sequence[SetLine], said: str | None, tries: int
) -> CorrectionReport:
    line = max((part.line for part in one.parts), key=lambda part: len(part.text))
    match, text = line.style.match, one.correction.text
    fits = all(done.fits for done in lines)
    notes = [one.note] if one.note else []
    if not fits:
        notes.append("the text does not fit its place: its letters are smaller than the old ones")
    return CorrectionReport(
        bbox=one.correction.bbox,
        text=text,
        old_text=one.old_text,
        read=said,
        exact=said is not None and " ".join(said.split()) == " ".join(text.split()),
        font=match.cut.title,
        size_px=round(cap_height(match.cut) * float(match.matrix[1, 1]) / line.frame.scale, 1),
        tries=tries,
        likeness=round(match.likeness, 3) if line.text else None,
        reused="".join(done.reused for done in lines),
        fits=fits,
        note="; ".join(notes) or None,
    )


def _untouched(one: Studied) -> CorrectionReport:
    return CorrectionReport(
        bbox=one.correction.bbox,
        text=one.correction.text,
        old_text=one.old_text,
        read=None,
        exact=False,
        font="",
        size_px=0.0,
        tries=0,
        fits=False,
        note="no letters were set: no bundled face can write all of them",
    )
