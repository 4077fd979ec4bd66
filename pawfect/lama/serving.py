"""`lama_fill` as a function of tensors, loaded from its weights."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.parameters import FillParams
from pawfect.contract.tensors import MASK_THRESHOLD, Array
from pawfect.contract.texts import text_tensor
from pawfect.lama.network import Network
from pawfect.lama.view import drawn_window
from pawfect.out_of_memory import fitting
from pawfect.patch.engine import fill
from pawfect.patch.serving import checked_planes
from pawfect.picture import raster
from pawfect.settings import LamaSettings
from pawfect.stop import Stop, look, never


class Run(Protocol):
    """One window filled; `stop` ends the network's run and is looked at by the fill."""

    def __call__(
        self, inputs: Mapping[str, Array], params: FillParams, stop: Stop = never
    ) -> dict[str, Array]:
        """Return the outputs by tensor name."""
        ...


def lama(settings: LamaSettings, folder: Path) -> Run:
    """Load the network; raises UNAVAILABLE as `Network.load`."""
    with fitting(f"weights {folder.name}", settings.device):
        network = Network.load(folder, settings.threads)

    def run(
        inputs: Mapping[str, Array], params: FillParams, stop: Stop = never
    ) -> dict[str, Array]:
        image, mask, protect = checked_planes(inputs)
        hole = mask >= MASK_THRESHOLD
        banned = np.zeros_like(hole) if protect is None else (protect >= MASK_THRESHOLD) & ~hole
        drawing = drawn_window(network, image, hole, banned, settings.size, stop)
        result = fill(
            image, mask, protect=protect, drawing=drawing, seed=params.seed,
            working_px=params.working_px, stop=stop,
        )  # fmt: skip
        look(stop)
        filled, method = result.image, "lama"
        if result.method == "membrane":
            # Nothing could be copied: then the drawing itself is better than a film from the rim.
            filled, method = np.where(hole[..., None], drawing, image), "lama, drawn"
        report = {
            "method": method,
            "contract": network.contract.kind,
            "levels": network.levels,
            "off_drawing": round(distance(filled, drawing, hole), 2),
        }
        return {"IMAGE": filled, "REPORT": text_tensor(json.dumps(report))}

    return run


def distance(
    image: NDArray[np.uint8], drawing: NDArray[np.uint8], hole: NDArray[np.bool_]
) -> float:
    """Measure how far a fill's local colours are from the drawing that led it.

    Args:
        image: UINT8 [H, W, 3] RGB, filled.
        drawing: UINT8 [H, W, 3] RGB.
        hole: [H, W], at least one pixel.

    Returns:
        The mean distance in CIELAB (CIE76) of means over some sixteenth of the hole's side.
    """
    sigma = max(4.0, math.sqrt(np.count_nonzero(hole)) / 16)
    at = raster.surrounding(hole, round(3 * sigma))
    one, other = (
        raster.gaussian(raster.to_lab(np.ascontiguousarray(picture[at])), sigma)
        for picture in (image, drawing)
    )
    return float(np.sqrt(np.square(one - other).sum(-1))[hole[at]].mean())
