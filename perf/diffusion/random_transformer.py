"""The chains' transformers with random weights, plain or quantised, and one step's arguments."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import torch

from pawfect.diffusion.quantised import scheme as schemes
from pawfect.diffusion.quantised.integer import IntegerLinear
from pawfect.diffusion.quantised.kernels import choose_kernels
from pawfect.diffusion.transformer import ChainTransformer
from pawfect.klein.transformer import picture_positions, text_positions
from perf.diffusion.transformers import TRANSFORMERS, build_transformer

# Trained transformers have activations about 100 times the others in a few fixed channels (Xiao et
# al. 2023, SmoothQuant, https://arxiv.org/abs/2211.10438; Gan et al. 2025 find them in FLUX.1,
# https://arxiv.org/abs/2505.18584). So many channels of each layer's input, and their factor: the
# largest inputs are then 30 to 500 times the median one.
OUTLIERS: Final = 3
FACTOR: Final = 20.0


def random_transformer(
    chain: str, config: Mapping[str, Any], device: str, dtype: torch.dtype
) -> Any:
    """Return a transformer of a config, its weights of a fixed seed and near unit activations.

    Args:
        chain: flux, klein or edit.
        config: of its transformer.
        device: cpu or cuda.
        dtype: of its weights.
    """
    # torch's own `to`: diffusers' one warns of layers to be kept in fp32, of which there are none.
    return torch.nn.Module.to(_module(chain, config, dtype, device), device)


def with_outliers(module: Any) -> Any:
    """Give every linear layer of a plain transformer of FLUX.1 outliers in its blocks' inputs.

    On the well-behaved activations of random weights any scheme looks good. Columns that read an
    outlier shrink by the root of its factor, so that it carries much of the result but not all.
    """
    generator = torch.Generator().manual_seed(0)
    for double in module.transformer_blocks:
        own = double.attn
        image, text = (
            (own.to_q, own.to_k, own.to_v),
            (own.add_q_proj, own.add_k_proj, own.add_v_proj),
        )
        for norm, readers, out, feed in (
            (double.norm1, image, own.to_out[0], double.ff),
            (double.norm1_context, text, own.to_add_out, double.ff_context),
        ):
            # AdaLN's groups are shift, scale and gate of the attention, then of the rest.
            _outlying_scale(norm.linear, 1, readers, generator)
            _outlying_scale(norm.linear, 4, (feed.net[0].proj,), generator)
            _outlying_rows(readers[2], out, 0, generator)
            _outlying_rows(feed.net[0].proj, feed.net[2], 0, generator)
    for single in module.single_transformer_blocks:
        own = single.attn
        read = (own.to_q, own.to_k, own.to_v, single.proj_mlp)
        _outlying_scale(single.norm.linear, 1, read, generator)
        _outlying_rows(own.to_v, single.proj_out, 0, generator)
        _outlying_rows(single.proj_mlp, single.proj_out, own.to_v.out_features, generator)
    return module


def _outlying_scale(
    norm: Any, group: int, readers: Sequence[Any], generator: torch.Generator
) -> None:
    """Make outliers of some channels that a norm scales and other layers read."""
    width = readers[0].in_features
    channels = torch.randperm(width, generator=generator)[:OUTLIERS]
    norm.bias[group * width + channels] += FACTOR
    for reader in readers:
        reader.weight[:, channels] /= math.sqrt(FACTOR)


def _outlying_rows(writer: Any, reader: Any, offset: int, generator: torch.Generator) -> None:
    """Make outliers of some of a layer's outputs, which another reads from `offset` on."""
    channels = torch.randperm(writer.out_features, generator=generator)[:OUTLIERS]
    writer.weight[channels] *= FACTOR
    writer.bias[channels] *= FACTOR
    reader.weight[:, offset + channels] /= math.sqrt(FACTOR)


def quantised_transformer(
    chain: str,
    config: Mapping[str, Any],
    scheme_name: str,
    device: str,
    dtype: torch.dtype,
    rows: int,
    modulation: str = "layers",
) -> ChainTransformer:
    """Return a quantised transformer as the product loads it.

    Args:
        chain: flux, klein or edit.
        config: of its transformer.
        scheme_name: one of `schemes.SCHEMES`.
        device: cpu or cuda.
        dtype: of all that is not quantised.
        rows: of each quantised layer that are drawn.
        modulation: `layers`, or `cached` with its layers on the CPU.
    """
    kind = TRANSFORMERS[chain]
    modulating = kind.modulating if modulation == "cached" else None
    # What stays on the CPU is taken out before the rest leaves it.
    drawn_on = "cpu" if modulating else device
    module = _module(chain, config, dtype, drawn_on, schemes.find_scheme(scheme_name), rows)
    kernels = choose_kernels(device)
    for layer in module.modules():
        if isinstance(layer, IntegerLinear):
            layer.kernels = kernels
    apart = modulating(module, dtype) if modulating else None
    torch.nn.Module.to(module, device)
    return kind(module, device, dtype, scheme_name, modulation=apart)


def _module(
    chain: str,
    config: Mapping[str, Any],
    dtype: torch.dtype,
    device: str,
    scheme: schemes.Scheme | None = None,
    rows: int = 0,
) -> Any:
    """Return a transformer on a device.

    Of each quantised layer's shape a few rows are quantised by the project's own code, and
    repeated: the bytes, the kernels and the arithmetic are those of a quantised checkpoint.
    """
    generator = torch.Generator().manual_seed(0)
    module: Any = build_transformer(chain, config)
    shapes: dict[str, torch.Size] = {}
    made: dict[torch.Size, dict[str, torch.Tensor]] = {}
    if scheme is not None:
        plain = schemes.quantised_layers(module, scheme.name)
        shapes = {name: layer.weight.shape for name, layer in plain.items()}
        schemes.with_layers(module, scheme, dtype)
    for shape in dict.fromkeys(shapes.values()):
        few = torch.randn(min(rows, shape[0]), shape[1], generator=generator)
        tensors = scheme.quantise(few * shape[1] ** -0.5) if scheme else {}
        made[shape] = {name: tensor.to(device) for name, tensor in tensors.items()}
    state = {}
    for name, like in module.state_dict().items():
        path, _, leaf = name.rpartition(".")
        if path in shapes and leaf != "bias":
            state[name] = repeated(made[shapes[path]][leaf], like.shape)
        elif like.ndim > 1:
            # As trained weights give them: neither overflow nor denormal numbers, which are slow.
            # Billions of numbers: a prime number of them is drawn, so that rows differ.
            few = torch.randn(1_048_583, generator=generator) * like.shape[1] ** -0.5
            state[name] = repeated(few.to(device, dtype), like.shape)
        else:
            value = float(leaf == "weight")
            state[name] = torch.full(like.shape, value, dtype=dtype, device=device)
    module.load_state_dict(state, assign=True)
    return module.requires_grad_(False).eval()


def repeated(few: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Return a tensor of a shape filled with the values of another again and again."""
    times = -(-shape.numel() // few.numel())
    return few.flatten().repeat(times)[: shape.numel()].reshape(shape)


def step_arguments(
    chain: str,
    config: Mapping[str, Any],
    grid: tuple[int, int],
    text_tokens: int,
    batch: int,
    like: torch.Tensor,
) -> dict[str, Any]:
    """Return the arguments of a step of diffusers' module, random, as `like` has them.

    Args:
        chain: flux, klein or edit.
        config: of its transformer.
        grid: rows and columns of tokens of the picture of one item.
        text_tokens: of one item.
        batch: items.
        like: any tensor, whose device and dtype theirs are.
    """
    # On the CPU, so that it is the same on every device.
    generator = torch.Generator().manual_seed(0)
    tokens = grid[0] * grid[1]

    def random(*shape: int) -> torch.Tensor:
        if like.device.type == "meta":
            return torch.empty(shape, device="meta", dtype=like.dtype)
        return torch.randn(shape, generator=generator, dtype=torch.float32).to(like)

    given: dict[str, Any] = {
        "hidden_states": random(batch, tokens, config["in_channels"]),
        "encoder_hidden_states": random(batch, text_tokens, config["joint_attention_dim"]),
        "timestep": torch.full((batch,), 0.5, device=like.device, dtype=like.dtype),
    }
    if chain == "flux":
        given["pooled_projections"] = random(batch, config["pooled_projection_dim"])
        given["guidance"] = torch.full((batch,), 30.0, device=like.device, dtype=like.dtype)
        given["img_ids"] = random(tokens, 3).float()
        given["txt_ids"] = torch.zeros(text_tokens, 3, device=like.device)
    elif chain == "klein":
        given["img_ids"] = picture_positions((grid,)).to(like.device)
        given["txt_ids"] = text_positions(text_tokens).to(like.device)
    else:
        given["encoder_hidden_states_mask"] = None
        given["img_shapes"] = [[(1, *grid)]] * batch
    return given
