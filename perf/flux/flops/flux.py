"""One denoising step of FLUX's transformer (diffusers' FluxTransformer2DModel)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from perf.flux.flops.work import Work, attention, elementwise, linear

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


def step(
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
