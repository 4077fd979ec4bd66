"""Layers: pictures with a cover, laid over one another in linear light."""

from dataclasses import dataclass

import numpy as np

from perf.scene.arrays import Bytes, Floats, floats
from perf.scene.noise import soften


@dataclass(frozen=True)
class Layer:
    """Something in front of the scene: premultiplied linear colour [H, W, 3], cover [H, W]."""

    colour: Floats
    cover: Floats


def over(front: Layer, back: Layer) -> Layer:
    """Lay one layer over another."""
    keep = 1 - front.cover
    return Layer(
        floats(front.colour + back.colour * keep[..., None]),
        floats(front.cover + back.cover * keep),
    )


def blurred(layer: Layer, sigma: float) -> Layer:
    """Defocus a layer by a Gaussian of `sigma` px."""
    cover = soften(layer.cover, sigma)
    cover = np.where(cover > 0.004, cover, 0.0)
    colour = soften(layer.colour, sigma) * (cover > 0)[..., None]
    return Layer(floats(colour), floats(cover))


def exact_mask(layer: Layer) -> Bytes:
    """Give the pixels that the layer touches by more than a tenth: UINT8 [H, W], 255 inside."""
    return np.where(layer.cover > 0.1, 255, 0).astype(np.uint8)
