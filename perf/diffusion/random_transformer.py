"""FLUX's transformer with random weights, plain or quantised, and one step's arguments."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import torch
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel

from pawfect.diffusion.quantised import scheme as schemes
from pawfect.diffusion.quantised.integer import IntegerLinear
from pawfect.diffusion.quantised.kernels import choose_kernels
from pawfect.flux.modulation import Modulation
from pawfect.flux.transformer import Transformer

# Trained transformers have activations about 100 times the others in a few fixed channels (Xiao et
# al. 2023, SmoothQuant, https://arxiv.org/abs/2211.10438; Gan et al. 2025 find them in FLUX.1,
# https://arxiv.org/abs/2505.18584). So many channels of each layer's input, and their factor: the
# largest inputs are then 30 to 500 times the median one.
OUTLIERS: Final = 3
FACTOR: Final = 20.0


def random_transformer(config: Mapping[str, Any], device: str, dtype: torch.dtype) -> Any:
    """Return a transformer of a config, its weights of a fixed seed and near unit activations."""
    # torch's own `to`: diffusers' one warns of layers to be kept in fp32, of which there are none.
    return torch.nn.Module.to(_module(config, dtype), device)


def with_outliers(module: Any) -> Any:
    """Give every linear layer of a plain transformer's blocks outliers in its input.

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
    config: Mapping[str, Any], scheme_name: str, device: str, dtype: torch.dtype, rows: int
) -> Transformer:
    """Return a quantised transformer, its modulation's layers on the CPU as in the `t4` profile.

    Args:
        config: of the transformer.
        scheme_name: one of `schemes.SCHEMES`.
        device: cpu or cuda.
        dtype: of all that is not quantised.
        rows: of each quantised layer that are drawn.
    """
    module = _module(config, dtype, schemes.find_scheme(scheme_name), rows)
    kernels = choose_kernels(device)
    for layer in module.modules():
        if isinstance(layer, IntegerLinear):
            layer.kernels = kernels
    modulation = Modulation(module, dtype)
    torch.nn.Module.to(module, device)
    return Transformer(module, device, dtype, modulation=modulation)


def _module(
    config: Mapping[str, Any],
    dtype: torch.dtype,
    scheme: schemes.Scheme | None = None,
    rows: int = 0,
) -> Any:
    """Return a transformer on the CPU.

    Of each quantised layer's shape a few rows are quantised by the project's own code, and
    repeated: the bytes, the kernels and the arithmetic are those of a quantised checkpoint.
    """
    generator = torch.Generator().manual_seed(0)
    with torch.device("meta"):
        module: Any = FluxTransformer2DModel.from_config(dict(config))
    shapes: dict[str, torch.Size] = {}
    made: dict[torch.Size, dict[str, torch.Tensor]] = {}
    if scheme is not None:
        plain = schemes.quantised_layers(module, scheme.name)
        shapes = {name: layer.weight.shape for name, layer in plain.items()}
        schemes.with_layers(module, scheme, dtype)
    for shape in dict.fromkeys(shapes.values()):
        few = torch.randn(min(rows, shape[0]), shape[1], generator=generator)
        made[shape] = scheme.quantise(few * shape[1] ** -0.5) if scheme else {}
    state = {}
    for name, like in module.state_dict().items():
        path, _, leaf = name.rpartition(".")
        if path in shapes and leaf != "bias":
            state[name] = repeated(made[shapes[path]][leaf], like.shape)
        elif like.ndim > 1:
            # As trained weights give them: neither overflow nor denormal numbers, which are slow.
            # Billions of numbers: a prime number of them is drawn, so that rows differ.
            few = torch.randn(1_048_583, generator=generator) * like.shape[1] ** -0.5
            state[name] = repeated(few.to(dtype), like.shape)
        else:
            state[name] = torch.full(like.shape, float(leaf == "weight"), dtype=dtype)
    module.load_state_dict(state, assign=True)
    return module.requires_grad_(False).eval()


def repeated(few: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Return a tensor of a shape filled with the values of another again and again."""
    times = -(-shape.numel() // few.numel())
    return few.flatten().repeat(times)[: shape.numel()].reshape(shape)


def step_arguments(
    config: Mapping[str, Any], tokens: int, text_tokens: int, batch: int, like: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Return the arguments of a step, random, on the device and of the dtype of `like`.

    Args:
        config: of the transformer.
        tokens: of the picture, of one item.
        text_tokens: of one item.
        batch: items.
        like: any tensor.
    """
    # On the CPU, so that it is the same on every device.
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        if like.device.type == "meta":
            return torch.empty(shape, device="meta", dtype=like.dtype)
        return torch.randn(shape, generator=generator, dtype=torch.float32).to(like)

    return {
        "hidden_states": random(batch, tokens, config["in_channels"]),
        "encoder_hidden_states": random(batch, text_tokens, config["joint_attention_dim"]),
        "pooled_projections": random(batch, config["pooled_projection_dim"]),
        "timestep": torch.full((batch,), 0.5, device=like.device, dtype=like.dtype),
        "guidance": torch.full((batch,), 30.0, device=like.device, dtype=like.dtype),
        "img_ids": random(tokens, 3).float(),
        "txt_ids": torch.zeros(text_tokens, 3, device=like.device),
    }
