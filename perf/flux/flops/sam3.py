"""SAM3 (transformers' Sam3Model): the picture once, then each phrase through the detector.

The phrases' own embeddings are made when the model loads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from perf.flux.flops.work import NOTHING, Work, attention, convolution, elementwise, linear

# What transformers takes for entries that the published config leaves out.
LAYER: Final = {"hidden_size": 256, "intermediate_size": 2048, "num_attention_heads": 8}
TEXT_LENGTH: Final = 32
# How often a layer's elementwise kernels read or write tokens x width, run one by one; the vision
# encoder's include its rotation in fp32.
VISION_PASSES: Final = 60
DETECTOR_PASSES: Final = 30


def detector(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the image model's config out of the published video model's, or itself."""
    inner = config.get("detector_config")
    return inner if isinstance(inner, Mapping) else config


def cells_of(config: Mapping[str, Any]) -> tuple[int, int]:
    """Return the sides, in patches, of what the vision encoder sees."""
    backbone = detector(config)["vision_config"]["backbone_config"]
    side = int(backbone["image_size"]) // int(backbone.get("patch_size", 14))
    return side, side


def vision(config: Mapping[str, Any]) -> Work:
    """Return the work of encoding one picture, at the config's own size."""
    whole = detector(config)["vision_config"]
    backbone = whole["backbone_config"]
    width, hidden = int(backbone["hidden_size"]), int(backbone["intermediate_size"])
    rows, columns = cells_of(config)
    cells = rows * columns
    patch = int(backbone.get("patch_size", 14))
    work = convolution(cells, int(backbone.get("num_channels", 3)), width, patch)
    window = int(backbone["window_size"])
    # Windows at the border are padded to their whole size.
    windows = math.ceil(rows / window) * math.ceil(columns / window)
    everywhere = set(backbone["global_attn_indexes"])
    for layer in range(int(backbone["num_hidden_layers"])):
        count, inside = (1, cells) if layer in everywhere else (windows, window * window)
        work += linear(count * inside, width, width).times(4)
        work += attention(count, inside, inside, width)
        work += linear(cells, width, hidden) + linear(cells, hidden, width)
        work += elementwise(cells * width, VISION_PASSES)
    for scale in whole.get("scale_factors", (4.0, 2.0, 1.0, 0.5)):
        work += _pyramid(cells, width, int(whole["fpn_hidden_size"]), float(scale))
    return work


def phrases(config: Mapping[str, Any], count: int) -> Work:
    """Return the work of asking for so many phrases of an encoded picture, in one batch."""
    model = detector(config)
    text = int(model["text_config"].get("max_position_embeddings", TEXT_LENGTH))
    rows, columns = cells_of(config)
    cells = rows * columns
    encoder, decoder = _layers(model, "detr_encoder_config"), _layers(model, "detr_decoder_config")
    width, hidden = encoder["hidden_size"], encoder["intermediate_size"]
    layer = _attended(count, cells, cells, width) + _attended(count, cells, text, width)
    layer += _mlp(count * cells, width, hidden) + elementwise(
        count * cells * width, DETECTOR_PASSES
    )
    work = layer.times(encoder["num_layers"])

    width, hidden = decoder["hidden_size"], decoder["intermediate_size"]
    queries = decoder["num_queries"]
    # The presence token is one more.
    asked = queries + 1
    layer = _attended(count, asked, asked, width) + _attended(count, asked, text, width)
    layer += _attended(count, asked, cells, width) + _mlp(count * asked, width, hidden)
    # Where each query is (twice as wide), its box, and whether there is anything at all.
    layer += linear(count * queries, 2 * width, width) + linear(count * queries, width, width)
    layer += _three(count * queries, width, 4) + _three(count, width, 1)
    heads = decoder["num_attention_heads"]
    for side in (rows, columns):
        layer += linear(count * queries * side, 2, width) + linear(
            count * queries * side, width, heads
        )
    layer += elementwise(count * queries * cells * heads, 6)
    work += layer.times(decoder["num_layers"])
    return work + _heads(model, count, rows, columns, text, decoder)


def _heads(
    model: Mapping[str, Any],
    count: int,
    rows: int,
    columns: int,
    text: int,
    decoder: Mapping[str, int],
) -> Work:
    """Return boxes, scores and masks after the decoder."""
    width, hidden = decoder["hidden_size"], decoder["intermediate_size"]
    queries, layers = decoder["num_queries"], decoder["num_layers"]
    work = _three(layers * count * queries, width, 4)
    work += _mlp(count * text, width, hidden) + linear(count, width, width)
    work += linear(layers * count * queries, width, width)
    work += linear(layers * count * queries, width, 1)
    cells = rows * columns
    work += _attended(count, cells, text, width)
    work += linear(count * queries, width, width).times(3)
    scales = [
        float(scale) for scale in model["vision_config"].get("scale_factors", (4.0, 2.0, 1.0, 0.5))
    ]
    # The coarsest level is left out, the next is the decoder's own.
    for scale in reversed(scales[:-2]):
        work += convolution(count * cells * scale**2, width, width, 3, passes=7)
    finest = count * cells * scales[0] ** 2
    work += convolution(finest, width, width, 1) + convolution(finest, width, 1, 1)
    return work + linear(finest, width, queries)


def _pyramid(cells: float, width: int, outputs: int, scale: float) -> Work:
    """Return one level of the vision encoder's feature pyramid."""
    work = NOTHING
    inputs = width
    while scale > 1:
        work += convolution(cells, inputs, inputs // 2, 2)
        cells, inputs, scale = cells * 4, inputs // 2, scale / 2
    cells *= min(scale, 1.0) ** 2
    return work + convolution(cells, inputs, outputs, 1) + convolution(cells, outputs, outputs, 3)


def _layers(model: Mapping[str, Any], part: str) -> dict[str, int]:
    config = {**LAYER, "num_layers": 6, "num_queries": 200, **model[part]}
    names = (*LAYER, "num_layers", "num_queries")
    return {name: int(config[name]) for name in names}


def _attended(batch: int, queries: int, keys: int, width: int) -> Work:
    """Return attention with its four projections."""
    projections = linear(batch * queries, width, width).times(2)
    projections += linear(batch * keys, width, width).times(2)
    return projections + attention(batch, queries, keys, width)


def _mlp(rows: float, width: int, hidden: int) -> Work:
    return linear(rows, width, hidden) + linear(rows, hidden, width)


def _three(rows: float, width: int, outputs: int) -> Work:
    return linear(rows, width, width).times(2) + linear(rows, width, outputs)
