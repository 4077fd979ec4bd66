"""ST-LPIPS: how different two pictures look, with small shifts forgiven.

Ghildyal and Liu, "Shift-tolerant Perceptual Similarity Metric", ECCV 2022, by its authors' package
`stlpips-pytorch`, whose wheel carries the weights. The package imports torchvision, IPython and
torchsummary for models and printouts that the metric does not use; torchvision has no CPU build
beside torch's. Where they are not installed, empty stand-ins take their place for the time of the
import only.
"""

import importlib
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np

from perf.quality.light import Pixels

# Shortest side the network takes, px: below it, its last layers have nothing left to look at.
SHORTEST_SIDE = 64
_UNUSED = {
    "torchvision": ("models",),
    "torchvision.models": (),
    "IPython": ("embed",),
    "torchsummary": ("summary",),
}


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


@cache
def _network() -> Any:
    """Load the metric with its AlexNet trunk, the authors' default, from the package's weights."""
    with _stand_ins(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metric = importlib.import_module("stlpips_pytorch.stlpips")
        return metric.LPIPS(net="alex", variant="shift_tolerant", verbose=False).eval()


def st_lpips(one: Pixels, other: Pixels) -> float:
    """Measure how different two pictures look.

    Args:
        one: UINT8 [H,W,3] RGB, both sides at least `SHORTEST_SIDE`.
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
