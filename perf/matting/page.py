"""The page that shows two variants of each picture with a slider between them, in one file."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from perf.matting.removers import Cutout
from perf.matting.run import Result, Row
from perf.pages import render

TEMPLATE: Final = Path(__file__).with_name("page.html.j2")
# Longer side at which pictures are shown, px: edges are still to be seen, the file stays mailable.
SHOWN_PX: Final = 720
QUALITY: Final = 82
# Shown beside the variants: what there was, and what is right.
PHOTO: Final = "photo"
TRUTH: Final = "truth"
# What the page lists of a row: its key, its name, digits, and whether less is better.
FIGURES: Final = (
    ("sad", "SAD, thousands of px", 2, True),
    ("mse", "MSE, thousandths", 2, True),
    ("gradient", "gradient error, thousands", 2, True),
    ("connectivity", "connectivity error, thousands", 2, True),
    ("iou", "IoU", 3, False),
    ("halo", "halo, CIE76", 1, True),
    ("sharpness", "edge sharpness", 2, None),
    ("seconds", "seconds", 2, True),
    ("cpu_seconds", "CPU seconds", 2, True),
)


def page(results: Sequence[Result], source: Mapping[str, Any]) -> bytes:
    """Return the page.

    Args:
        results: with their cut-outs.
        source: the provenance.
    """
    variants = list(dict.fromkeys(row.variant for result in results for row in result.rows))
    pictures = [
        {
            "name": result.picture.name,
            "group": result.picture.group,
            "width": result.picture.alpha.shape[1],
            "height": result.picture.alpha.shape[0],
            "images": _images(result),
            "figures": {row.variant: _figures(row) for row in result.rows},
        }
        for result in results
    ]
    start = (variants[0], variants[-1] if len(variants) > 1 else TRUTH)
    return render(
        TEMPLATE,
        pictures=pictures,
        choices=[*variants, TRUTH, PHOTO],
        start=start,
        figures=FIGURES,
        source=source,
    )


def _figures(row: Row) -> dict[str, float | str | None]:
    """Return a row's figures by the keys of FIGURES, its error where it failed."""
    if row.scores is None:
        return {"error": row.error}
    rest = {name: getattr(row, name) for name in ("sharpness", "seconds", "cpu_seconds")}
    return asdict(row.scores) | rest


def _images(result: Result) -> dict[str, str]:
    picture = result.picture
    images = {name: _cutout(cutout) for name, cutout in result.cutouts.items()}
    images[TRUTH] = _cutout(Cutout(picture.alpha, picture.colour, {}))
    images[PHOTO] = _encoded(picture.photo)
    return images


def _cutout(cutout: Cutout) -> str:
    return _encoded(np.dstack([cutout.colour, cutout.alpha]))


def _encoded(pixels: NDArray[np.uint8]) -> str:
    """Return RGB or RGBA as a data URI, shrunk to SHOWN_PX."""
    file, image = io.BytesIO(), Image.fromarray(pixels)
    image.thumbnail((SHOWN_PX, SHOWN_PX), Image.Resampling.LANCZOS)
    image.save(file, "WEBP", quality=QUALITY)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()
