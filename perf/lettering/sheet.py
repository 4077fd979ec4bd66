"""The contact sheet: the wrong text, the repair, the truth and the box written over."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from pawfect.refine.text import TextFreedom
from perf.lettering.run import Judged, Row, judged, letters_area
from perf.lettering.signs import half_of, sign
from perf.pictures import view_of

# A cell's width and height, px; four to a picture.
CELL: Final = (200, 84)
GAP: Final = 4
CAPTION_PX: Final = 14
# Pictures side by side.
ACROSS: Final = 3
# Keeps the sheet of all pictures under 3 MB.
QUALITY: Final = 74


def one(given: tuple[int, str]) -> tuple[Row, NDArray[np.uint8]]:
    """Repair and judge a picture, by its index and TextFreedom's `reuse`: its row and strip."""
    index, reuse = given
    done = judged(sign(index), TextFreedom(reuse), half_of(index))
    return done.row, strip_of(done)


def strip_of(judged: Judged) -> NDArray[np.uint8]:
    """Return a picture's strip, UINT8 [h, w, 3]: four crops and a caption."""
    crop = view_of(letters_area(judged.sign))
    sign, row = judged.sign, judged.row
    pictures = (sign.photo, judged.repaired, sign.truth, judged.written_over)
    width = len(pictures) * (CELL[0] + GAP)
    strip = Image.new("RGB", (width, CELL[1] + CAPTION_PX), "white")
    for column, picture in enumerate(pictures):
        cell = ImageOps.contain(Image.fromarray(np.ascontiguousarray(picture[crop])), CELL)
        strip.paste(cell, (column * (CELL[0] + GAP), 0))
    ImageDraw.Draw(strip).text(
        (1, CELL[1]), _caption(row), (20, 20, 20), ImageFont.load_default(10)
    )
    return np.asarray(strip)


def _caption(row: Row) -> str:
    looks = f"look {row.look:.3f}, written over {row.look_written_over:.3f}"
    return (
        f"{row.index} {row.typeface}: read as {row.on_repaired} (truth {row.on_truth}); {looks}; "
        f"{row.font}, {len(row.reused)} cut"
    )


def save_sheet(path: Path, strips: Sequence[NDArray[np.uint8]]) -> None:
    """Save the strips as one JPEG; left to right: wrong text, repair, truth, box written over."""
    high, wide = strips[0].shape[:2]
    rows = -(-len(strips) // ACROSS)
    page = Image.new("RGB", (ACROSS * (wide + 2 * GAP), rows * (high + GAP)), "white")
    for place, strip in enumerate(strips):
        at = (place % ACROSS * (wide + 2 * GAP), place // ACROSS * (high + GAP))
        page.paste(Image.fromarray(strip), at)
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path, quality=QUALITY, optimize=True)
