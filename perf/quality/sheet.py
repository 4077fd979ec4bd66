"""The contact sheet: a row per scene with the photo, the truth and every fill side by side."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from perf.quality.bench import Row, SceneResult
from perf.quality.light import Mask, Pixels
from perf.quality.scores import Box

# A fill is shown with this much around it, as a part of its box: enough to judge it in place.
CONTEXT = 0.25
CONTEXT_PX = 24
CAPTION_PX = 30
GAP = 6
OUTLINE = (255, 0, 200)
# Tried from the best down until the file is small enough to be committed.
QUALITIES = (86, 78, 68, 56, 44)


def _view(hole: Mask) -> Box:
    """Frame all holes of a scene with their context."""
    rows, columns = np.nonzero(hole)
    height, width = hole.shape
    y0, y1, x0, x1 = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    pad = max(round(CONTEXT * int(max(y1 - y0, x1 - x0))), CONTEXT_PX)
    return Box(
        max(int(x0) - pad, 0),
        max(int(y0) - pad, 0),
        min(int(x1) + pad, width),
        min(int(y1) + pad, height),
    )


def _outlined(photo: Pixels, mask: Mask) -> Pixels:
    """Draw the user's mask on the photo as an outline."""
    marked = photo.copy()
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(marked, contours, -1, OUTLINE, max(1, photo.shape[1] // 320))
    return marked


def _caption(row: Row) -> str:
    """Name a cell, with its scores."""
    if row.scores is None:
        return f"{row.method}\n{row.error[:34]}"
    scores = row.scores
    head = row.method if row.method == "truth" else f"{row.method}  {row.seconds:.1f} s"
    return (
        f"{head}\n{scores.st_lpips:.3f}  step {scores.seam_step:.2f}  sharp {scores.sharpness:.2f}"
    )


def _fitted(image: Pixels, width: int, height: int) -> Image.Image:
    """Scale a picture to fit a cell, area-averaged where it shrinks."""
    scale = min(width / image.shape[1], height / image.shape[0])
    size = (max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return Image.fromarray(cv2.resize(image, size, interpolation=method).astype(np.uint8))


def _strip(result: SceneResult, side: int) -> Image.Image:
    """Draw a scene's row: the photo with its mask outlined, then each fill's crop, captioned."""
    scene, view = result.scene, _view(result.hole)
    title = f"{scene.name}\n{scene.group}, {(result.hole > 0).mean():.1%} to fill"
    cells: list[tuple[Image.Image | None, str]] = [
        (_fitted(_outlined(scene.photo, scene.mask), side, side), title)
    ]
    for row in result.rows:
        source = scene.truth if row.method == "truth" else result.images.get(row.method)
        crop = None if source is None else _fitted(view.of(source), side, side)
        cells.append((crop, _caption(row)))
    height = max(picture.height for picture, _ in cells if picture is not None)
    strip = Image.new("RGB", (len(cells) * (side + GAP), height + CAPTION_PX), "white")
    pen, font = ImageDraw.Draw(strip), ImageFont.load_default(11)
    for column, (picture, caption) in enumerate(cells):
        x = column * (side + GAP)
        if picture is not None:
            strip.paste(picture, (x, 0))
        pen.multiline_text((x + 1, height + 1), caption, (20, 20, 20), font, None, 1)
    return strip


def draw_sheet(results: Sequence[SceneResult], side: int = 230) -> Image.Image:
    """Draw the contact sheet.

    Args:
        results: one row each.
        side: a cell's width and largest height, px.

    Returns:
        The page: photo with the mask outlined, then crops of the truth and of each method.
    """
    strips = [_strip(result, side) for result in results]
    width = max(strip.width for strip in strips) + GAP
    page = Image.new("RGB", (width, sum(strip.height + GAP for strip in strips) + GAP), "white")
    y = GAP
    for strip in strips:
        page.paste(strip, (GAP, y))
        y += strip.height + GAP
    return page


def save_sheet(path: Path, results: Sequence[SceneResult], limit_bytes: int = 3_000_000) -> None:
    """Save the contact sheet as JPEG within a size, at the best quality that fits.

    Raises:
        ValueError: it does not fit at any quality.
    """
    page = draw_sheet(results)
    for quality in QUALITIES:
        page.save(path, quality=quality, optimize=True)
        if path.stat().st_size <= limit_bytes:
            return
    message = f"expected a sheet of at most {limit_bytes} bytes, got {path.stat().st_size}"
    raise ValueError(message)
