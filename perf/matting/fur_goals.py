"""The fur set's goals: how much nearer to the truth each edge step brings a network's alpha.

`python -m perf.matting.fur_goals` prints a table; pictures that settings were chosen on (seeds 0
to 5) and others (100 to 111) are counted apart.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.cutout import EDGES
from pawfect.matting.edges import refine, sharpness
from pawfect.matting.foreground import foreground
from perf.matting import fur

# Seeds of pictures, and the networks' sides, px.
SETS: Final = {"chosen on": range(6), "not seen": range(100, 112)}
SIDES: Final = (320, 1024)
# Goals: at most this gradient error and halo, at least this sharpness,
# of the raw alpha's.
MAX_GRADIENT: Final = 0.85
MIN_SHARPNESS: Final = 1.15
MAX_HALO: Final = 0.5
# What the cutouts are laid on: green, white, nearly black, magenta.
_GROUNDS: Final = ((0, 177, 64), (255, 255, 255), (20, 20, 20), (200, 30, 160))
# Scale of the gradients, px: that of Rhemann et al. (CVPR 2009).
_SIGMA: Final = 1.4

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Errors:
    """How far one cutout is from the truth.

    Attributes:
        gradient: sum of squared differences of alpha's gradients, in thousands.
        sharpness: of alpha's edge, per px.
        difference: sum of absolute differences of alpha, in thousands.
        halo: mean colour error along the edge over new backgrounds, of 255.
    """

    gradient: float
    sharpness: float
    difference: float
    halo: float


def errors(alpha: Floats, colours: NDArray[np.uint8], truth: fur.Fur) -> Errors:
    """Compare a cutout with the truth.

    Args:
        alpha: FLOAT32 [H, W], 0 to 1.
        colours: UINT8 [H, W, 3] RGB, the subject's.
        truth: the picture.
    """
    gradient = ((_gradient(alpha) - _gradient(truth.alpha)) ** 2).sum(dtype=np.float64)
    difference = np.abs(alpha - truth.alpha).sum(dtype=np.float64)
    steep = sharpness(alpha) or 0.0
    return Errors(gradient / 1000, steep, difference / 1000, _halo(alpha, colours, truth))


def measure(
    seeds: Sequence[int], side: int, modes: Sequence[str] = EDGES, size: tuple[int, int] = fur.SIZE
) -> dict[str, list[Errors]]:
    """Return each mode's errors on each picture, and as `raw` those of what no step touched.

    Args:
        seeds: the pictures.
        side: px, of the network.
        modes: of `refine`; each with colours estimated.
        size: height and width of the pictures, px.
    """
    found: dict[str, list[Errors]] = {name: [] for name in ("raw", *modes)}
    for seed in seeds:
        picture = fur.make(seed, size)
        seen = fur.as_a_network_sees(picture.alpha, side, seed)
        raw = refine(picture.photo, seen, "none")
        found["raw"].append(errors(raw, picture.photo, picture))
        for mode in modes:
            alpha = refine(picture.photo, seen, mode)
            found[mode].append(errors(alpha, foreground(picture.photo, alpha), picture))
    return found


def ratio(found: Sequence[Errors], raw: Sequence[Errors], name: str) -> float:
    """Return a set's mean of one of the errors over the raw one's."""
    return float(
        np.mean([getattr(e, name) for e in found]) / np.mean([getattr(e, name) for e in raw])
    )


def _gradient(alpha: Floats) -> Floats:
    """Return the length of the gradient by a Gaussian's derivatives."""
    reach = 5
    places = np.arange(-reach, reach + 1)
    bell = np.exp(-(places**2) / (2 * _SIGMA**2))
    bell /= bell.sum()
    slope = places * bell / _SIGMA**2
    across = cv2.sepFilter2D(alpha, cv2.CV_32F, slope, bell)
    down = cv2.sepFilter2D(alpha, cv2.CV_32F, bell, slope)
    return np.asarray(np.hypot(across, down), np.float32)


def _halo(alpha: Floats, colours: NDArray[np.uint8], truth: fur.Fur) -> float:
    soft = ((truth.alpha > 0.02) & (truth.alpha < 0.98)).astype(np.uint8)
    edge = cv2.dilate(soft, np.ones((5, 5), np.uint8)) > 0
    ours, true = alpha[edge][:, None], truth.alpha[edge][:, None]
    mixed = ours * colours[edge] - true * truth.foreground[edge]
    return float(
        np.mean([np.abs(mixed + (true - ours) * np.array(ground)).mean() for ground in _GROUNDS])
    )


def table() -> str:
    """Return the measured table as Markdown."""
    lines = [
        "| pictures | network px | edges | gradient error | sharpness | difference | halo |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, seeds in SETS.items():
        for side in SIDES:
            found = measure(seeds, side)
            for mode in EDGES:
                parts = ("gradient", "sharpness", "difference", "halo")
                shown = " | ".join(f"{ratio(found[mode], found['raw'], p):.2f}" for p in parts)
                lines.append(f"| {name} | {side} | {mode} | {shown} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
