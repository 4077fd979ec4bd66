"""A random FLUX transformer that is as hard to quantise as published ones are said to be.

Plainly random weights make a nearly linear network of well-behaved activations, on which any scheme
looks good. Three things are set instead. Weights are drawn from Student's t, for their long tails.
Queries and keys are scaled so that attention chooses. And there are outliers where trained models
have them: a few massive channels of the residual stream, the same in every token, that LayerNorm
brings down and with them all others, which AdaLN's scale brings back; and channels of the values
and of the feed-forward layers' neurons, whose reading columns are smaller by the root of the
factor, so that they carry much of the result but not all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import torch
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel

# Outlier channels and their size. Gan et al. 2025 (https://arxiv.org/abs/2505.18584) find massive
# activations in FLUX.1's residual stream at very few fixed channels, the same ones in all tokens,
# and trace them to AdaLN; Xiao et al. 2023 (SmoothQuant, https://arxiv.org/abs/2211.10438) put
# outliers of transformers at about 100 times the other activations.
OUTLIERS: Final = 3
LARGEST_FACTOR: Final = 100.0
# Of values and of hidden neurons, which no norm brings down again.
INNER_FACTOR: Final = 20.0
# Degrees of freedom: a tail about as long as LRQ-DiT (https://arxiv.org/abs/2508.03485) draws for
# the weights of PixArt and FLUX, still with a finite fourth moment.
TAIL: Final = 5.0
# Of the queries' and keys' norms: logits of a standard deviation of 2, so that a token attends to
# some tokens much more than to others.
QUERY_SCALE: Final = math.sqrt(2.0)
# Mean of the blocks' gates, so that what they write is not averaged away.
GATE: Final = 0.3


@dataclass(frozen=True)
class Size:
    """How large a model is.

    Attributes:
        heads: of attention, each of 128 channels as in FLUX.1.
        double: joint blocks.
        single: single blocks, twice as many in FLUX.1.
        text_width: of the text embeddings.
    """

    heads: int
    double: int
    single: int
    text_width: int = 4096


# 121 M parameters.
FULL: Final = Size(heads=6, double=3, single=6)


def build_model(size: Size, seed: int = 0) -> FluxTransformer2DModel:
    """Return a float32 FLUX-Fill transformer, the same for the same seed."""
    model: Any = FluxTransformer2DModel(
        in_channels=384,
        out_channels=64,
        num_layers=size.double,
        num_single_layers=size.single,
        attention_head_dim=128,
        num_attention_heads=size.heads,
        joint_attention_dim=size.text_width,
        pooled_projection_dim=768,
        guidance_embeds=True,
    )
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in sorted(model.named_parameters()):
            if value.ndim == 2:
                value.copy_(_long_tailed(value.shape, generator) / math.sqrt(value.shape[1]))
            elif "norm_" in name:
                value.fill_(QUERY_SCALE)
            else:
                value.copy_(0.1 * torch.randn(value.shape, generator=generator))
        for double in model.transformer_blocks:
            _spoil_double(double, generator)
        for single in model.single_transformer_blocks:
            _spoil_single(single, generator)
        _spoil_stream(model, generator)
    built: FluxTransformer2DModel = model.eval().requires_grad_(False)
    return built


def steps(size: Size, tokens: int, text: int, seed: int = 1) -> Iterator[dict[str, torch.Tensor]]:
    """Yield the module's arguments early, midway and late in the schedule.

    Args:
        size: of the model.
        tokens: image tokens, a square number.
        text: text tokens.
        seed: of the inputs.
    """
    generator = torch.Generator().manual_seed(seed)
    side = math.isqrt(tokens)
    rows, columns = torch.arange(side), torch.arange(side)
    positions = torch.cartesian_prod(torch.zeros(1, dtype=torch.int64), rows, columns).float()
    for level in (0.95, 0.5, 0.1):
        yield {
            "hidden_states": torch.randn(1, side * side, 384, generator=generator),
            "encoder_hidden_states": torch.randn(1, text, size.text_width, generator=generator),
            "pooled_projections": torch.randn(1, 768, generator=generator),
            "timestep": torch.tensor([level]),
            "guidance": torch.tensor([3.5]),
            "img_ids": positions,
            "txt_ids": torch.zeros(text, 3),
        }


def _long_tailed(shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    """Return Student's t of TAIL degrees of freedom with unit variance."""
    normal = torch.randn(shape, generator=generator)
    # A chi-squared of k degrees is the sum of k squared normals.
    chi = sum(torch.randn(shape, generator=generator).square() for _ in range(int(TAIL)))
    return normal / torch.sqrt(torch.as_tensor(chi) / TAIL) * math.sqrt((TAIL - 2) / TAIL)


def _spoil_stream(model: Any, generator: torch.Generator) -> None:
    """Put the same massive channels into every token of the residual stream."""
    width = model.x_embedder.out_features
    massive = list(_chosen(width, LARGEST_FACTOR, generator))
    for embedder in (model.x_embedder, model.context_embedder):
        for channel, factor in massive:
            embedder.bias[channel] = factor
    # LayerNorm divides all by what the massive channels add to the deviation; AdaLN's scale, which
    # adds to one, brings the others back and leaves the massive ones as LayerNorm gave them.
    spread = math.sqrt(1 + sum(factor * factor for _, factor in massive) / width)
    for name, norm in model.named_modules():
        if name.endswith(("norm.linear", "norm1.linear", "norm1_context.linear")):
            for first in range(0, norm.out_features // width, 3):
                _set_modulation(norm, width, first, spread, [channel for channel, _ in massive])
    # AdaLayerNormContinuous: scale above shift. The last layer reads what varies, not the massive.
    last = model.norm_out.linear
    last.weight[:width] *= spread / 3
    last.bias[:width] += spread - 1
    for channel, _ in massive:
        last.weight[channel] = 0
        last.bias[channel] = 1 / spread - 1


def _set_modulation(norm: Any, width: int, first: int, spread: float, massive: list[int]) -> None:
    """Set one group of shift, scale and gate."""
    shift, scale, gate = (slice(n * width, (n + 1) * width) for n in range(first, first + 3))
    norm.weight[shift] /= 3
    norm.weight[scale] *= spread / 3
    norm.weight[gate] /= 3
    norm.bias[scale] += spread - 1
    norm.bias[gate] += GATE
    for channel in massive:
        norm.weight[scale][channel] /= spread
        norm.bias[scale][channel] = 0
        # What the blocks write there must not add up to more, layer by layer.
        norm.bias[gate][channel] = 0


def _spoil_double(block: Any, generator: torch.Generator) -> None:
    attention = block.attn
    for values, out, feed in (
        (attention.to_v, attention.to_out[0], block.ff),
        (attention.add_v_proj, attention.to_add_out, block.ff_context),
    ):
        _outlying_rows(values, out, 0, generator)
        _outlying_rows(feed.net[0].proj, feed.net[2], 0, generator)


def _spoil_single(block: Any, generator: torch.Generator) -> None:
    _outlying_rows(block.attn.to_v, block.proj_out, 0, generator)
    _outlying_rows(block.proj_mlp, block.proj_out, block.attn.to_v.out_features, generator)


def _outlying_rows(writer: Any, reader: Any, offset: int, generator: torch.Generator) -> None:
    """Make outliers of some of a layer's outputs, which another reads from `offset` on."""
    for channel, factor in _chosen(writer.out_features, INNER_FACTOR, generator):
        writer.weight[channel] *= factor
        writer.bias[channel] *= factor
        reader.weight[:, offset + channel] /= math.sqrt(factor)


def _chosen(width: int, largest: float, generator: torch.Generator) -> Iterator[tuple[int, float]]:
    """Yield outlier channels with their factors: the largest, and down to a fifth of it."""
    channels = torch.randperm(width, generator=generator)[:OUTLIERS].tolist()
    for place, channel in enumerate(channels):
        yield channel, largest * 5 ** (-place / (OUTLIERS - 1))
