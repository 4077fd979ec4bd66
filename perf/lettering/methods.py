"""What is compared: this project's text repair, and a box filled and written over."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pawfect.contract.reading import ReadText
from pawfect.contract.refine import Correction, TextPayload
from pawfect.contract.refine_report import CorrectionReport
from pawfect.patch.engine import fill
from pawfect.refine.text import TextFreedom, repair_text
from perf.lettering.signs import Sign
from perf.lettering.typefaces import BASELINE

# Around what is filled, px: where the fill is copied from.
_AROUND: Final = 60


def repaired(sign: Sign, freedom: TextFreedom) -> tuple[NDArray[np.uint8], CorrectionReport]:
    """Correct a sign's text by this project's text repair.

    Returns:
        UINT8 [H, W, 3], and how it was done.
    """
    payload = TextPayload((Correction(sign.box, sign.new),))
    done = asyncio.run(repair_text(sign.photo, payload, freedom, _fill, _read))
    return done.image, done.corrections[0]


def written_over(sign: Sign) -> NDArray[np.uint8]:
    """Fill the box by patches and draw the text into it in DejaVu Sans.

    It is as high as the box, or smaller where it would be wider, in the old letters' mean colour.
    """
    x, y, w, h = sign.box
    mask = np.zeros(sign.photo.shape[:2], np.uint8)
    mask[y : y + h, x : x + w] = 255
    page = Image.fromarray(_filled(sign.photo, mask, None))
    font = ImageFont.truetype(str(BASELINE.file), 100)
    left, top, right, bottom = font.getbbox(sign.new, anchor="ls")
    size = 100 * min(h / (bottom - top), w / (right - left))
    font = ImageFont.truetype(str(BASELINE.file), size)
    left, top, right, bottom = font.getbbox(sign.new, anchor="ls")
    at = (x + (w - right - left) / 2, y + (h - bottom - top) / 2)
    colour = tuple(int(value) for value in np.clip(sign.ink, 0, 255))
    ImageDraw.Draw(page).text(at, sign.new, colour, font, "ls")
    return np.asarray(page)


async def _fill(
    image: NDArray[np.uint8], mask: NDArray[np.uint8], protect: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    return _filled(image, mask, protect)


def _filled(
    image: NDArray[np.uint8], mask: NDArray[np.uint8], protect: NDArray[np.uint8] | None
) -> NDArray[np.uint8]:
    """Fill by patches of the surroundings alone: the floor of every profile."""
    x, y, w, h = cv2.boundingRect(mask)
    part = (
        slice(max(y - _AROUND, 0), y + h + _AROUND),
        slice(max(x - _AROUND, 0), x + w + _AROUND),
    )
    window, hole = np.ascontiguousarray(image[part]), np.ascontiguousarray(mask[part])
    guard = None if protect is None else np.ascontiguousarray(protect[part])
    out = image.copy()
    out[part] = fill(window, hole, protect=guard).image
    return out


async def _read(image: NDArray[np.uint8]) -> Sequence[ReadText]:
    found = _reader()(np.ascontiguousarray(image[..., ::-1]), use_cls=False)
    if found.boxes is None:
        return ()
    rows = zip(found.boxes, found.txts, found.scores, strict=True)
    return tuple(ReadText(np.asarray(q, np.float32), str(t), float(s)) for q, t, s in rows)


@cache
def _reader() -> Any:
    import logging

    from rapidocr import RapidOCR

    logging.getLogger("RapidOCR").setLevel(logging.ERROR)
    return RapidOCR()
