"""FLUX's autoencoder (diffusers' AutoencoderKL): convolutions and one attention in the middle."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

from perf.flux.flops.work import NOTHING, Work, attention, convolution, elementwise, linear

# How often elementwise kernels read or write a convolution's output in a residual block, run one by
# one: group norm, activation, half of the residual sum (counted: tests/perf/flux/test_moved.py).
PASSES: Final = 6.5


def encode(config: Mapping[str, Any], pixels: float) -> Work:
    """Return the work of encoding one picture.

    Args:
        config: of the autoencoder, as config.json.
        pixels: of the picture, sides even until the last halving.
    """
    channels = tuple(config["block_out_channels"])
    latent = int(config["latent_channels"])
    work = convolution(pixels, int(config["in_channels"]), channels[0], 3)
    cells = pixels
    for place, (before, after) in enumerate(pairwise((channels[0], *channels))):
        layers = int(config["layers_per_block"])
        work += _residuals(cells, before, after, layers)
        if place < len(channels) - 1:
            cells /= 4
            work += convolution(cells, after, after, 3, passes=5)
    work += _middle(config, cells, channels[-1])
    work += convolution(cells, channels[-1], 2 * latent, 3)
    if config.get("use_quant_conv", True):
        work += convolution(cells, 2 * latent, 2 * latent, 1)
    return work


def decode(config: Mapping[str, Any], pixels: float) -> Work:
    """Return the work of decoding to one picture; arguments as `encode`."""
    channels = tuple(reversed(config["block_out_channels"]))
    latent = int(config["latent_channels"])
    cells = pixels / 4 ** (len(channels) - 1)
    work = convolution(cells, latent, channels[0], 3) + _middle(config, cells, channels[0])
    if config.get("use_post_quant_conv", True):
        work += convolution(cells, latent, latent, 1)
    for place, (before, after) in enumerate(pairwise((channels[0], *channels))):
        work += _residuals(cells, before, after, int(config["layers_per_block"]) + 1)
        if place < len(channels) - 1:
            cells *= 4
            work += convolution(cells, after, after, 3, passes=1.25)
    work += elementwise(cells * channels[-1], 5)
    return work + convolution(cells, channels[-1], int(config["out_channels"]), 3)


def _residuals(cells: float, before: int, after: int, layers: int) -> Work:
    """Return residual blocks one after another, the first of which changes the width."""
    work = NOTHING
    for inputs in (before, *[after] * (layers - 1)):
        work += convolution(cells, inputs, after, 3, passes=PASSES)
        work += convolution(cells, after, after, 3, passes=PASSES)
        if inputs != after:
            work += convolution(cells, inputs, after, 1)
    return work


def _middle(config: Mapping[str, Any], cells: float, width: int) -> Work:
    work = _residuals(cells, width, width, 2)
    if config.get("mid_block_add_attention", True):
        work += linear(cells, width, width).times(4) + attention(1, cells, cells, width)
        work += elementwise(cells * width, 10)
    return work
