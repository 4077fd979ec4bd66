"""Florence-2 (transformers' own class): a picture and a question in, a caption by beams out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from perf.flux.flops.work import NOTHING, Work, attention, convolution, elementwise, linear

# The side that the published base model takes, px.
SIDE: Final = 768
BEAMS: Final = 3
# Tokens of the longest question of a task.
QUESTION: Final = 13
MLP_RATIO: Final = 4.0
# How often a layer's elementwise kernels read or write tokens x width, run one by one.
VISION_PASSES: Final = 48
TEXT_PASSES: Final = 24


def stages(config: Mapping[str, Any], side: int) -> Iterator[tuple[int, int, int]]:
    """Yield the side in cells, the width and the width before of each stage of the tower."""
    vision = config["vision_config"]
    before = int(vision.get("in_channels", 3))
    sizes = zip(
        vision["patch_size"],
        vision["patch_stride"],
        vision["patch_padding"],
        vision["embed_dim"],
        strict=True,
    )
    for size, stride, padding, width in sizes:
        side = (side + 2 * padding - size) // stride + 1
        yield side, width, before
        before = width


def image_tokens(config: Mapping[str, Any], side: int = SIDE) -> int:
    """Return how many tokens a picture becomes: one per cell of the last stage, one for all."""
    cells, _, _ = list(stages(config, side))[-1]
    return cells * cells + 1


def vision(config: Mapping[str, Any], side: int = SIDE) -> Work:
    """Return the work of encoding one square picture of this side, px."""
    tower = config["vision_config"]
    work = NOTHING
    for place, (cells, width, before) in enumerate(stages(config, side)):
        area = cells * cells
        work += convolution(area, before, width, int(tower["patch_size"][place]))
        block = _spatial(tower, cells, width)
        block += _channels(area, width, int(tower["num_groups"][place]))
        work += block.times(int(tower["depths"][place]))
    tokens = image_tokens(config, side)
    return work + linear(tokens, int(tower["embed_dim"][-1]), int(tower["projection_dim"]))


def caption(
    config: Mapping[str, Any],
    new_tokens: int,
    *,
    side: int = SIDE,
    question: int = QUESTION,
    beams: int = BEAMS,
) -> Work:
    """Return the work of one caption: picture, question and so many tokens of each beam.

    Args:
        config: as config.json.
        new_tokens: of the caption.
        side: of the picture, px.
        question: its tokens.
        beams: that are followed at the same time, over cached keys and values.
    """
    return vision(config, side) + answer(
        config, image_tokens(config, side) + question, new_tokens, beams
    )


def answer(config: Mapping[str, Any], read: int, new_tokens: int, beams: int = BEAMS) -> Work:
    """Return the work of the language model: `read` tokens read, so many written by each beam."""
    text = config["text_config"]
    width = int(text["d_model"])
    layer = linear(read, width, width).times(4) + attention(1, read, read, width)
    layer += _mlp(read, width, int(text["encoder_ffn_dim"]))
    layer += elementwise(read * width, TEXT_PASSES)
    work = layer.times(int(text["encoder_layers"]))

    layers = int(text["decoder_layers"])
    # Keys and values of what was read are made once.
    work += linear(beams * read, width, width).times(2 * layers)
    for written in range(new_tokens):
        layer = linear(beams, width, width).times(6)
        layer += attention(beams, 1, written + 1, width) + attention(beams, 1, read, width)
        layer += _mlp(beams, width, int(text["decoder_ffn_dim"]))
        layer += elementwise(beams * width, TEXT_PASSES)
        work += layer.times(layers) + linear(beams, width, int(text["vocab_size"]))
    return work


def _spatial(tower: Mapping[str, Any], cells: int, width: int) -> Work:
    """Return a block that attends within windows, padded at the border to their whole size."""
    window = int(tower["window_size"])
    windows = math.ceil(cells / window) ** 2
    inside = window * window
    work = linear(windows * inside, width, 3 * width) + linear(windows * inside, width, width)
    work += attention(windows, inside, inside, width)
    return work + _around(cells * cells, width)


def _channels(area: int, width: int, groups: int) -> Work:
    """Return a block that attends from channel to channel within groups."""
    work = linear(area, width, 3 * width) + linear(area, width, width)
    # A group's channels are the sequence, the cells the width of a head.
    inside = width // groups
    return work + attention(groups, inside, inside, area) + _around(area, width)


def _around(area: int, width: int) -> Work:
    """Return what each kind of block has beside its attention."""
    depthwise = convolution(area, width, width, 3, groups=width, passes=3)
    work = depthwise.times(2) + _mlp(area, width, int(width * MLP_RATIO))
    return work + elementwise(area * width, VISION_PASSES)


def _mlp(rows: float, width: int, hidden: int) -> Work:
    return linear(rows, width, hidden) + linear(rows, hidden, width)
