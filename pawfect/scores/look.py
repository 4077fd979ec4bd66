"""How different a fill looks from the truth: ST-LPIPS on tight crops around the holes.

Ghildyal and Liu, "Shift-tolerant Perceptual Similarity Metric", ECCV 2022, by its authors' package
`stlpips-pytorch`, whose wheel carries the weights. PSNR and SSIM are not used: on texture they
prefer a smear to a good fill.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.picture.box import Box, merged

# Shortest side the network takes, px: below it, its last layers have nothing left to look at.
SHORTEST_SIDE: Final = 64
# Crop margin as a share of the hole's box, and at least, px: enough to see the seam, not so much
# that untouched surroundings dilute the score.
MARGIN: Final = 0.1
MARGIN_PX: Final = 16
# What the package imports for models and printouts that the metric does not use; torchvision has no
# CPU build beside torch's. Where they are missing, empty modules stand in during the import.
_UNUSED: Final = {
    "torchvision": ("models",),
    "torchvision.models": (),
    "IPython": ("embed",),
    "torchsummary": ("summary",),
}


def look(result: NDArray[np.uint8], truth: NDArray[np.uint8], hole: NDArray[np.uint8]) -> float:
    """Measure how different a fill looks from the truth.

    Args:
        result: UINT8 [H, W, 3] RGB.
        truth: UINT8 of the same shape.
        hole: UINT8 [H, W], non-zero where filled.

    Returns:
        ST-LPIPS, the mean over the holes' tight crops, weighted by the holes' area.
    """
    crops = [box.slices for box in tight_crops(hole)]
    areas = [np.count_nonzero(hole[crop]) for crop in crops]
    scores = [st_lpips(result[crop], truth[crop]) for crop in crops]
    return sum(s * area for s, area in zip(scores, areas, strict=True)) / sum(areas)


def tight_crops(hole: NDArray[np.uint8]) -> list[Box]:
    """Return boxes around the 8-connected holes with their margins, which do not overlap.

    Args:
        hole: UINT8 [H, W], non-zero where filled.
    """
    height, width = hole.shape
    _, _, stats, _ = cv2.connectedComponentsWithStats((hole > 0).astype(np.uint8))
    boxes = []
    for x, y, w, h, _ in stats[1:].tolist():
        (x0, x1), (y0, y1) = _stretched(x, x + w, width), _stretched(y, y + h, height)
        boxes.append(Box(x0, y0, x1, y1))
    return merged(boxes, Box.meets)


def _stretched(low: int, high: int, limit: int) -> tuple[int, int]:
    """Widen an interval by its margin, and to the shortest crop, within 0 to `limit`."""
    margin = max(round((high - low) * MARGIN), MARGIN_PX)
    short = max(SHORTEST_SIDE - (high - low) - 2 * margin, 0)
    low, high = low - margin - short // 2, high + margin + (short + 1) // 2
    shift = max(-low, 0) - max(high - limit, 0)
    return max(low + shift, 0), min(high + shift, limit)


def st_lpips(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Measure how different two pictures look, with small shifts forgiven.

    Args:
        one: UINT8 [H, W, 3] RGB, both sides at least SHORTEST_SIDE.
        other: UINT8 of the same shape.

    Returns:
        The distance, 0 for equal pictures; clearly different fills lie between 0.1 and 0.6.

    Raises:
        ValueError: shapes differ, or a side is too short.
    """
    import torch

    if one.shape != other.shape or min(one.shape[:2]) < SHORTEST_SIDE:
        message = f"expected equal shapes of at least {SHORTEST_SIDE} px, got {one.shape}"
        raise ValueError(f"{message} and {other.shape}")
    pair = [
        torch.from_numpy(np.array(picture.transpose(2, 0, 1), np.float32)[None] / 127.5 - 1)
        for picture in (one, other)
    ]
    with torch.no_grad():
        return float(_network()(*pair).item())


@cache
def _network() -> Any:
    """Load the metric with its AlexNet trunk, the authors' default."""
    with _stand_ins(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metric = importlib.import_module("stlpips_pytorch.stlpips")
        return metric.LPIPS(net="alex", variant="shift_tolerant", verbose=False).eval()


@contextmanager
def _stand_ins() -> Iterator[None]:
    """Put empty modules where the package imports what it does not use, and take them away."""
    missing = [
        name
        for name in _UNUSED
        if name not in sys.modules and find_spec(name.split(".")[0]) is None
    ]
    for name in missing:
        module = ModuleType(name)
        for attribute in _UNUSED[name]:
            setattr(module, attribute, None)
        sys.modules[name] = module
    try:
        yield
    finally:
        for name in missing:
            del sys.modules[name]
