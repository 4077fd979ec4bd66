"""FLUX's text encoders: T5's encoder and CLIP's text model (transformers)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from perf.flux.flops.work import Work, attention, elementwise, linear

# How often a layer's elementwise kernels read or write tokens x width, run one by one: two norms,
# two residual sums, the activation over a hidden layer that is wider by the ratio.
PASSES: Final = 24


def t5(config: Mapping[str, Any], tokens: int) -> Work:
    """Return the work of T5's encoder for one prompt of so many tokens, padding included."""
    width, hidden = int(config["d_model"]), int(config["d_ff"])
    inner = int(config["num_heads"]) * int(config["d_kv"])
    layer = linear(tokens, width, inner).times(3) + linear(tokens, inner, width)
    layer += attention(1, tokens, tokens, inner)
    gated = "gated" in str(config.get("feed_forward_proj", "relu"))
    layer += linear(tokens, width, hidden).times(2 if gated else 1)
    layer += linear(tokens, hidden, width) + elementwise(tokens * width, PASSES)
    return layer.times(int(config["num_layers"]))


def clip(config: Mapping[str, Any], tokens: int | None = None) -> Work:
    """Return the work of CLIP's text model for one prompt, padded to `tokens`: None: its length."""
    length = int(config["max_position_embeddings"]) if tokens is None else tokens
    width, hidden = int(config["hidden_size"]), int(config["intermediate_size"])
    layer = linear(length, width, width).times(4) + attention(1, length, length, width)
    layer += linear(length, width, hidden) + linear(length, hidden, width)
    layer += elementwise(length * width, PASSES)
    return layer.times(int(config["num_hidden_layers"]))
