"""What a smaller working size and less context cost, on the removals whose truth is known.

Two measurements that no engine's weights enter. Resolution: the truth itself, sent through each
working size and composited, scored against the truth: no fill worked on at that size can score
better. Context: the patch engine filling the same hole from windows of more or less context.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.orchestrator.generate import FEATHER_PX, paste_canvases
from pawfect.orchestrator.patch import PatchFill, paste_fills
from pawfect.patch import fill_with_choice
from pawfect.picture.box import Box
from pawfect.picture.canvas import Canvas, fit_canvas
from pawfect.picture.mask import clean_mask
from pawfect.picture.window import Window, plan_windows
from perf.quality.scores import score
from perf.scenes import Scene, load_scene

# Bounds on the working size, as `window_px` gives them.
SIZES: Final = (512, 768, 1024)
# What the pipeline works at: the whole photo as a square.
WHOLE: Final = "whole image at 1024x1024"
# Context on each side as shares of the hole box's longer side; `inpaint` takes 0.5 around a canvas.
SHARES: Final = (0.125, 0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Row:
    """One scene under one condition.

    Attributes:
        study: resolution or context.
        condition: which.
        scene: its name.
        share: of the photo that is worked on, 0 to 1.
        st_lpips: to the truth; lower is better.
        sharpness_log: absolute logarithm of the sharpness in the hole over that around it.
    """

    study: str
    condition: str
    scene: str
    share: float
    st_lpips: float
    sharpness_log: float


def study(names: Sequence[str], say: Callable[[str], None]) -> list[Row]:
    """Run both measurements on scenes of `perf.scenes`."""
    rows = []
    for name in names:
        scene = load_scene(name)
        rows += [*resolution(scene), *context(scene)]
        say(f"{name}: " + ", ".join(f"{r.condition} {r.st_lpips:.4f}" for r in rows[-8:]))
    return rows


def resolution(scene: Scene) -> list[Row]:
    """Score the truth after each working size."""
    hole, windows = _windows(scene)
    height, width = hole.shape
    rows = []
    for side in SIZES:
        sizes = [size for size in SIZES if size <= side]
        canvases = [fit_canvas(window.holes, height, width, sizes) for window in windows]
        parts = [canvas.put_back(canvas.take(scene.truth)) for canvas in canvases]
        rows.append(_scored(scene, hole, windows, canvases, parts, f"at most {side} px"))
    whole = Canvas(Box(0, 0, width, height), 1024, 1024)
    small = cv2.resize(scene.truth, (1024, 1024), interpolation=cv2.INTER_AREA)
    back = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    holes = Window(whole.box, Box(0, 0, width, height))
    rows.append(_scored(scene, hole, [holes], [whole], [back], WHOLE))
    return rows


def context(scene: Scene) -> list[Row]:
    """Score the patch engine's fill from windows of more and less context."""
    hole, planned = _windows(scene)
    height, width = hole.shape
    rows = []
    for share in SHARES:
        windows = [
            Window(around(window.holes, share, height, width), window.holes) for window in planned
        ]
        fills = []
        for window in windows:
            own = window.hole_mask(hole)
            others = hole[window.box.slices] & ~own
            image = np.ascontiguousarray(scene.photo[window.box.slices])
            filled = fill_with_choice(
                image, own, protect=others if others.any() else None, seed=0, working_px=None
            )
            fills.append(PatchFill(filled.image, 0, filled.method))
        result = paste_fills(scene.photo, hole, windows, fills)
        area = sum(window.box.area for window in windows) / (height * width)
        rows.append(_row("context", f"{share:g}", scene, area, result, hole))
    return rows


def around(holes: Box, share: float, height: int, width: int) -> Box:
    """Return a box with context on all sides: a share of the longer side of the holes' box."""
    margin = round(share * max(holes.width, holes.height))
    return Box(
        max(holes.x0 - margin, 0),
        max(holes.y0 - margin, 0),
        min(holes.x1 + margin, width),
        min(holes.y1 + margin, height),
    )


def means(rows: Sequence[Row]) -> list[tuple[str, str, int, float, float, float]]:
    """Return, by study and condition, scenes and means of share, ST-LPIPS and sharpness."""
    conditions = dict.fromkeys((row.study, row.condition) for row in rows)
    table = []
    for name, condition in conditions:
        own = [row for row in rows if (row.study, row.condition) == (name, condition)]
        columns = zip(*((row.share, row.st_lpips, row.sharpness_log) for row in own), strict=True)
        share, look, sharpness = (statistics.fmean(column) for column in columns)
        table.append((name, condition, len(own), share, look, sharpness))
    return table


def _windows(scene: Scene) -> tuple[NDArray[np.uint8], tuple[Window, ...]]:
    """Return the hole as `inpaint` cleans it, UINT8 [H, W], and its windows."""
    clean = clean_mask(scene.mask)
    return clean.mask, plan_windows(clean.boxes, *clean.mask.shape)


def _scored(
    scene: Scene,
    hole: NDArray[np.uint8],
    windows: Sequence[Window],
    canvases: Sequence[Canvas],
    parts: Sequence[NDArray[np.uint8]],
    condition: str,
) -> Row:
    holes = [window.holes for window in windows]
    # Of the truth no colour or grain is to be matched: it has the photo's own.
    result = paste_canvases(
        scene.photo, hole, None, holes, canvases, parts, FEATHER_PX, match=False
    )
    area = sum(canvas.box.area for canvas in canvases) / hole.size
    return _row("resolution", condition, scene, area, result, hole)


def _row(
    study_name: str,
    condition: str,
    scene: Scene,
    share: float,
    result: NDArray[np.uint8],
    hole: NDArray[np.uint8],
) -> Row:
    found = score(result, scene.truth, hole)
    return Row(
        study_name,
        condition,
        scene.name,
        round(share, 4),
        round(found.st_lpips, 5),
        round(found.sharpness_log, 4),
    )
