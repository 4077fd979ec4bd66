"""The contact sheet: a row per removal with the photo, the truth and every fill side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from perf.pictures import outlined
from perf.quality.run import TRUTH, Result, Row

CAPTION_PX = 30
# A cell's width and largest height, px.
SIDE = 230
GAP = 6
# Keeps the sheet of the whole set under 3 MB.
QUALITY = 78


def save_sheet(path: Path, results: Sequence[Result]) -> None:
    """Save the contact sheet of a run as JPEG: one row per removal."""
    strips = [_strip(result) for result in results]
    width = max(strip.width for strip in strips) + GAP
    page = Image.new("RGB", (width, sum(strip.height + GAP for strip in strips) + GAP), "white")
    y = GAP
    for strip in strips:
        page.paste(strip, (GAP, y))
        y += strip.height + GAP
    page.save(path, quality=QUALITY, optimize=True)


def _strip(result: Result) -> Image.Image:
    """Draw a removal's row: the photo with its mask outlined, then each fill's crop, captioned."""
    removal, truth = result.removal, result.crops[TRUTH]
    title = f"{removal.name}\n{removal.group}, {(removal.hole > 0).mean():.1%} to fill"
    cells = [(_fitted(outlined(removal.photo, removal.marked)), title)]
    for row in result.rows:
        crop = result.crops.get(row.method, np.full_like(truth, 255))
        cells.append((_fitted(crop), _caption(row)))
    height = max(picture.height for picture, _ in cells)
    strip = Image.new("RGB", (len(cells) * (SIDE + GAP), height + CAPTION_PX), "white")
    pen, font = ImageDraw.Draw(strip), ImageFont.load_default(11)
    for column, (picture, caption) in enumerate(cells):
        x = column * (SIDE + GAP)
        strip.paste(picture, (x, 0))
        pen.multiline_text((x + 1, height + 1), caption, (20, 20, 20), font, None, 1)
    return strip


def _caption(row: Row) -> str:
    """Name a cell, with its scores."""
    if row.scores is None:
        return f"{row.method}\n{row.error[:34]}"
    s = row.scores
    head = row.method if row.method == TRUTH else f"{row.method}  {row.seconds:.1f} s"
    return f"{head}\n{s.st_lpips:.3f}  rim {s.rim_colour:.1f}  step {s.seam_step:.1f}"


def _fitted(image: NDArray[np.uint8]) -> Image.Image:
    """Scale a picture to fit a cell."""
    return ImageOps.contain(Image.fromarray(image), (SIDE, SIDE))
