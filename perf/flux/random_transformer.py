"""FLUX's transformer with random weights, and the arguments of one step of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel


def random_transformer(config: Mapping[str, Any], device: str, dtype: torch.dtype) -> Any:
    """Return a transformer of a config, its weights of a fixed seed and near unit activations."""
    with torch.device("meta"):
        module: Any = FluxTransformer2DModel.from_config(dict(config))
    # torch's own `to`: diffusers' one warns of layers to be kept in fp32, of which there are none.
    torch.nn.Module.to(module, dtype)
    module.to_empty(device=device)
    generator = torch.Generator(device).manual_seed(0)
    for tensor in module.parameters():
        # As trained weights give them: neither overflow nor denormal numbers, which are slow.
        fan_in = tensor.shape[-1] if tensor.ndim > 1 else 100
        with torch.no_grad():
            tensor.normal_(0, fan_in**-0.5, generator=generator)
    return module.requires_grad_(False).eval()


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
