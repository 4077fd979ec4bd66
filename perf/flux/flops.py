"""FLOP, weights and moved values of one call per stage, from the models' own published configs.

Counted as torch's FlopCounterMode counts: a product of m x k and k x n is 2 m n k, norms and other
elementwise work nothing. FLUX's transformer and autoencoder are formulas, since their work grows
with the canvas; the other models see the same size every time, so theirs are numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final


@dataclass(frozen=True)
class Work:
    """What one call computes and moves; additive, and `times` a number.

    Attributes:
        linear: FLOP of linear layers.
        attention: FLOP of attention's two products.
        convolution: FLOP of convolutions.
        weights: how many weights the layers read.
        moved: how many values elementwise kernels (norms, activations, residuals, rotations) read
            and write, run one by one.
        kernels: how many kernels are launched, roughly.
    """

    linear: float = 0.0
    attention: float = 0.0
    convolution: float = 0.0
    weights: float = 0.0
    moved: float = 0.0
    kernels: float = 0.0

    @property
    def flop(self) -> float:
        """All FLOP."""
        return self.linear + self.attention + self.convolution

    def __add__(self, other: Work) -> Work:
        return Work(
            self.linear + other.linear,
            self.attention + other.attention,
            self.convolution + other.convolution,
            self.weights + other.weights,
            self.moved + other.moved,
            self.kernels + other.kernels,
        )

    def times(self, count: float) -> Work:
        """Return so many calls as one: each reads the weights again."""
        return Work(
            self.linear * count,
            self.attention * count,
            self.convolution * count,
            self.weights * count,
            self.moved * count,
            self.kernels * count,
        )


NOTHING = Work()


def linear(rows: float, inputs: int, outputs: int) -> Work:
    """Return a linear layer's work for so many rows."""
    weights = inputs * outputs
    return Work(linear=2 * rows * weights, weights=weights, kernels=1)


def attention(batch: float, queries: float, keys: float, width: int) -> Work:
    """Return the work of attention's two products, all heads together `width` wide."""
    return Work(attention=4 * batch * queries * keys * width, kernels=1)


def convolution(
    cells: float, inputs: int, outputs: int, size: int, *, groups: int = 1, passes: float = 0
) -> Work:
    """Return a convolution's work.

    Args:
        cells: of the output; of the input where it is transposed.
        inputs: channels.
        outputs: channels.
        size: side of the kernel.
        groups: channels are split into, not connected with one another.
        passes: how often elementwise kernels around it read or write its output.
    """
    weights = inputs // groups * outputs * size * size
    return Work(
        convolution=2 * cells * weights,
        weights=weights,
        moved=passes * cells * outputs,
        kernels=1 + passes / 2,
    )


def elementwise(values: float, passes: float) -> Work:
    """Return the work of elementwise kernels that together read and write `values` so often."""
    return Work(moved=values * passes, kernels=passes / 2)


# SAM3 (transformers' Sam3Model) at 1008 px with all phrases of the vocabulary, eight in one batch;
# Florence-2's longest caption, 64 tokens by three beams at 768 px; T5's encoder with 128 tokens and
# CLIP's text model. Products within 1 % of what torch counts on the real modules.
LABELS: Final = Work(10.418e12, 9.605e12, 7.015e12, weights=637.1e6, moved=47.08e9, kernels=3870)
CAPTION: Final = Work(458.1e9, 21.49e9, 19.01e9, weights=5834.3e6, moved=2.061e9, kernels=9459)
TEXT: Final = Work(1198.5e9, 6.661e9, 0.0, weights=4715.4e6, moved=0.319e9, kernels=708)

# Outputs of the modulation layers per block, each as wide as the model: shift, scale and gate of
# attention and of the MLP, of picture and of text; single blocks have one set of three.
DOUBLE_MODULATION: Final = 2 * 6
SINGLE_MODULATION: Final = 3
MLP_RATIO: Final = 4
# Sinusoids that timestep and guidance enter as.
SINUSOIDS: Final = 256
# How often a block's elementwise kernels read or write a tensor of tokens x width, run one by one:
# counted in half precision over diffusers 0.42.1's blocks, whose rotations run in fp32
# (tests/perf/flux/test_moved.py).
DOUBLE_PASSES: Final = 129
SINGLE_PASSES: Final = 126
# The same of the layers around the blocks, text left out.
OUTER_PASSES: Final = 6


def inner_width(config: Mapping[str, Any]) -> int:
    """Return the width of a token inside the transformer."""
    return int(config["num_attention_heads"]) * int(config["attention_head_dim"])


def flux_step(
    config: Mapping[str, Any],
    image_tokens: float,
    text_tokens: int,
    *,
    batch: int = 1,
    modulation: str = "layers",
) -> Work:
    """Return the work of one whole denoising step.

    Args:
        config: of the transformer, as config.json.
        image_tokens: of one item.
        text_tokens: of one item.
        batch: items.
        modulation: "layers", or "cached" where the blocks' modulation comes from a cache.
    """
    doubles, singles = int(config["num_layers"]), int(config["num_single_layers"])
    double, single = _blocks(config, image_tokens, text_tokens, batch, modulation)
    outer = _outer(config, image_tokens, text_tokens, batch)
    return outer + double.times(doubles) + single.times(singles)


def modulation_weights(config: Mapping[str, Any]) -> int:
    """Return how many weights the blocks' modulation layers have, biases left out."""
    outputs = DOUBLE_MODULATION * int(config["num_layers"])
    outputs += SINGLE_MODULATION * int(config["num_single_layers"])
    return int(outputs * inner_width(config) ** 2)


def block_weights(config: Mapping[str, Any]) -> int:
    """Return how many weights all blocks' linear layers have, modulation and biases left out."""
    width = inner_width(config)
    double = 2 * (4 + 2 * MLP_RATIO) * width**2
    single = (3 + MLP_RATIO + 1 + MLP_RATIO) * width**2
    return int(config["num_layers"]) * double + int(config["num_single_layers"]) * single


def _outer(config: Mapping[str, Any], image_tokens: float, text_tokens: int, batch: int) -> Work:
    """Return what is around the blocks: embeddings, the final norm and projection."""
    width = inner_width(config)
    rows = batch * image_tokens
    patch = int(config["patch_size"])
    outputs = int(config.get("out_channels") or config["in_channels"]) * patch * patch
    work = linear(rows, int(config["in_channels"]), width)
    work += linear(batch * text_tokens, int(config["joint_attention_dim"]), width)
    embedded = linear(batch, SINUSOIDS, width) + linear(batch, width, width)
    work += embedded.times(2 if config["guidance_embeds"] else 1)
    work += linear(batch, int(config["pooled_projection_dim"]), width)
    work += linear(batch, width, width)
    work += linear(batch, width, 2 * width) + linear(rows, width, outputs)
    return work + elementwise(rows * width, OUTER_PASSES)


def _blocks(
    config: Mapping[str, Any],
    image_tokens: float,
    text_tokens: int,
    batch: int,
    modulation: str,
) -> tuple[Work, Work]:
    """Return one double and one single block."""
    width = inner_width(config)
    tokens = image_tokens + text_tokens
    mixed = attention(batch, tokens, tokens, width)
    hidden = MLP_RATIO * width
    double = mixed + elementwise(batch * tokens * width, DOUBLE_PASSES)
    for rows in (batch * image_tokens, batch * text_tokens):
        double += linear(rows, width, width).times(4)
        double += linear(rows, width, hidden) + linear(rows, hidden, width)
    single = mixed + elementwise(batch * tokens * width, SINGLE_PASSES)
    rows = batch * tokens
    single += linear(rows, width, width).times(3)
    single += linear(rows, width, hidden) + linear(rows, width + hidden, width)
    if modulation == "layers":
        double += linear(batch, width, 6 * width).times(2)
        single += linear(batch, width, SINGLE_MODULATION * width)
    return double, single


# How often elementwise kernels read or write a convolution's output in a residual block, run one by
# one: group norm, activation, half of the residual sum (counted: tests/perf/flux/test_moved.py).
VAE_PASSES: Final = 6.5


def vae_encode(config: Mapping[str, Any], pixels: float) -> Work:
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


def vae_decode(config: Mapping[str, Any], pixels: float) -> Work:
    """Return the work of decoding to one picture; arguments as `vae_encode`."""
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
        work += convolution(cells, inputs, after, 3, passes=VAE_PASSES)
        work += convolution(cells, after, after, 3, passes=VAE_PASSES)
        if inputs != after:
            work += convolution(cells, inputs, after, 1)
    return work


def _middle(config: Mapping[str, Any], cells: float, width: int) -> Work:
    work = _residuals(cells, width, width, 2)
    if config.get("mid_block_add_attention", True):
        work += linear(cells, width, width).times(4) + attention(1, cells, cells, width)
        work += elementwise(cells * width, 10)
    return work
