"""The contact sheet: a row per scene with the photo, the truth and every fill side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from perf.pictures import outlined, view_of
from perf.quality.run import TRUTH, Row, SceneResult

CAPTION_PX = 30
# A cell's width and largest height, px.
SIDE = 230
GAP = 6
# Keeps the sheet of the whole set under 3 MB.
QUALITY = 78


def save_sheet(path: Path, results: Sequence[SceneResult]) -> None:
    """Save the contact sheet of a run as JPEG: one row per scene."""
    strips = [_strip(result) for result in results]
    width = max(strip.width for strip in strips) + GAP
    page = Image.new("RGB", (width, sum(strip.height + GAP for strip in strips) + GAP), "white")
    y = GAP
    for strip in strips:
        page.paste(strip, (GAP, y))
        y += strip.height + GAP
    page.save(path, quality=QUALITY, optimize=True)


def _strip(result: SceneResult) -> Image.Image:
    """Draw a scene's row: the photo with its mask outlined, then each fill's crop, captioned."""
    scene, view = result.scene, view_of(result.hole)
    title = f"{scene.name}\n{scene.group}, {(result.hole > 0).mean():.1%} to fill"
    cells = [(_fitted(outlined(scene.photo, scene.mask)), title)]
    for row in result.rows:
        image = result.images.get(row.method)
        cells.append((_fitted(np.full_like(scene.photo, 255) if image is None else image[view]),
                      _caption(row)))  # fmt: skip
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
    return f"{head}\n{s.st_lpips:.3f}  step {s.seam_step:.2f}  sharp {s.sharpness:.2f}"


def _fitted(image: NDArray[np.uint8]) -> Image.Image:
    """Scale a picture to fit a cell."""
    return ImageOps.contain(Image.fromarray(image), (SIDE, SIDE))
