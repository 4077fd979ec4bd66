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
from pawfect.contract.refine import Correction, TextPayload
from pawfect.contract.refine_report import CorrectionReport
from pawfect.lettering.drawing import cap_height
from pawfect.lettering.faces import faces_for, missing
from pawfect.lettering.hole import filled_in, hole_of, put_back
from pawfect.lettering.old import REUSE, Attempt, SetLine, set_in_place
from pawfect.refine.limits import FREE, Clock, Limits
from pawfect.refine.text_study import Read, Studied, read_again, study
from pawfect.stop import look

# Ways to set a text, in this order until it is read as it should be: as it stood; drawn anew;
# heavier, which helps thin strokes; smaller; farther apart, which helps joined letters.
ATTEMPTS: Final = (
    Attempt(),
    Attempt(heavier=0.012),
    Attempt(scale=0.92),
    Attempt(scale=0.95, heavier=0.008, tracking=0.04),
)

_LAST_MS: Final = 500.0  # for what comes after the letters: the report, a preview
_LATE: Final = "not begun: there was no time left; the old text stays"
_TOO_LONG: Final = "the text does not fit its place: its letters are smaller than the old ones"
_TOO_SMALL: Final = "the box is too small for the text: its letters can hardly be read"


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
    limits: Limits = FREE,
) -> TextRepaired:
    """Correct texts, as many as there is time for, in their order.

    Args:
        image: UINT8 [H, W, 3] RGB.
        payload: the corrections.
        freedom: of the letters' shape.
        fill: fills where letters were taken out, all at once.
        read: reads the photo before and each correction afterwards.
        on_set: told of each correction that is done.
        seed: of the new letters' grain.
        limits: what never changes, and how long it may take.

    Raises:
        PawfectError: INVALID_ARG for letters that no bundled face has; CANCELLED where it is told
            to stop; whatever `fill` and `read` raise.
    """
    for place, correction in enumerate(payload.corrections):
        _check(f"PAYLOAD: corrections[{place}]: text", correction.text)
    reading = Clock(limits.left_ms, 0.0)
    with reading.measured():
        texts = tuple(await read(image))
    # Half of the time is for taking out and setting.
    clock, studied_all = Clock(limits.left_ms, limits.left_ms() / 2), []
    for correction in payload.corrections:
        if not clock.allows():
            break
        with clock.measured():
            studied_all.append(await study(image, correction, texts, read, limits.stop))
    out = await _taken_out(image, studied_all, fill, limits)
    # A try is a reading too.
    clock, reports = Clock(limits.left_ms, _LAST_MS, reading.longest_ms), []
    for place, one in enumerate(studied_all):
        if one.lines and not clock.allows():
            out = await asyncio.to_thread(put_back, out, image, one.gone)
            reports.append(_untouched(one.correction, one.old_text, _LATE))
            continue
        setting = _Setting(image, out, one, seed + place, limits)
        out, report = await _corrected(setting, freedom, read, clock)
        reports.append(report)
        if on_set is not None:
            await on_set(place, out)
    late = payload.corrections[len(studied_all) :]
    return TextRepaired(out, (*reports, *(_untouched(one, None, _LATE) for one in late)))


def _check(where: str, text: str) -> None:
    lacking = missing(text)
    if lacking or not text.strip():
        got = f"{', '.join(f'U+{ord(one):04X}' for one in lacking)}" if lacking else "blanks"
        raise invalid(where, "letters that a bundled face has", got)
    if not faces_for(text):
        raise invalid(where, "letters that one bundled face has all of", "letters of several")


async def _taken_out(
    image: NDArray[np.uint8], studied_all: Sequence[Studied], fill: Fill, limits: Limits
) -> NDArray[np.uint8]:
    """Return the photo without the old letters."""
    gone = [old for one in studied_all for old in one.gone]
    hole = await asyncio.to_thread(hole_of, gone, image.shape[:2], limits.protect)
    if not hole.mask.any():
        return image
    filled = await fill(image, hole.mask, hole.other)
    return await asyncio.to_thread(filled_in, image, filled, gone)


@dataclass(frozen=True, eq=False)
class _Setting:
    """A correction that is to be set, and what it is set in."""

    photo: NDArray[np.uint8]
    bare: NDArray[np.uint8]
    studied: Studied
    seed: int
    limits: Limits

    def tried(self, attempt: Attempt) -> tuple[NDArray[np.uint8], list[SetLine]]:
        """Set its lines in one way."""
        image, done = self.bare, []
        for row, one in enumerate(self.studied.lines):
            look(self.limits.stop)
            seed = self.seed + 1000 * row
            line = set_in_place(self.photo, image, one.line, one.new, attempt, seed)
            if self.limits.protect is not None:
                kept = self.limits.protect[line.window.slices]
                line.image[line.window.slices][kept] = image[line.window.slices][kept]
            image = line.image
            done.append(line)
        return image, done


async def _corrected(
    setting: _Setting, freedom: TextFreedom, read: Read, clock: Clock
) -> tuple[NDArray[np.uint8], CorrectionReport]:
    """Set a correction in one way after another until it is read right; the best one stays."""
    one = setting.studied
    wanted = _plain(one.correction.text)
    best: tuple[float, NDArray[np.uint8], list[SetLine], str | None] | None = None
    tries = 0
    for attempt in _attempts(freedom, one):
        if best is not None and not clock.allows():
            break
        tries += 1
        with clock.measured():
            image, lines = await asyncio.to_thread(setting.tried, attempt)
            said = await read_again(image, one, lines, read)
        agreed = SequenceMatcher(None, wanted, _plain(said or "")).ratio()
        if best is None or agreed > best[0]:
            best = (agreed, image, lines, said)
        if agreed == 1:
            break
    if best is None:
        return setting.bare, _untouched(one.correction, one.old_text, one.note)
    _, image, lines, said = best
    return image, _report(one, lines, said, tries)


def _attempts(freedom: TextFreedom, one: Studied) -> tuple[Attempt, ...]:
    """Return the ways to set a correction: first with letters cut out of the old text."""
    if not one.lines:
        return ()
    reuse = freedom.reuse != "none" and any(line.line.text for line in one.lines)
    return (Attempt(reuse=freedom.reuse), *ATTEMPTS) if reuse else ATTEMPTS


def _plain(text: str) -> str:
    """Return a text as two readings are compared: without blanks, capitals like small letters."""
    return "".join(text.split()).casefold()


def _report(
    one: Studied, lines: Sequence[SetLine], said: str | None, tries: int
) -> CorrectionReport:
    line = max((new.line for new in one.lines), key=lambda old: len(old.text))
    match, text = line.style.match, one.correction.text
    fits = all(done.fits for done in lines)
    notes = [one.note] if one.note else []
    if not fits:
        notes.append(_TOO_LONG if line.text else _TOO_SMALL)
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


def _untouched(correction: Correction, old_text: str | None, note: str | None) -> CorrectionReport:
    return CorrectionReport(
        bbox=correction.bbox,
        text=correction.text,
        old_text=old_text,
        read=None,
        exact=False,
        font="",
        size_px=0.0,
        tries=0,
        fits=False,
        note=note,
    )
