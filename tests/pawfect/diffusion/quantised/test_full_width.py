"""Blocks of FLUX.1's own widths in float16, their residual stream at what float16 holds."""

from __future__ import annotations

import math

import pytest
import torch
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel

from pawfect.diffusion.quantised.scheme import SCHEMES, with_layers


def full_width(scheme: str) -> FluxTransformer2DModel:
    """One joint and one single block, 3072 and 12288 channels wide, random, already quantised."""
    with torch.device("meta"):
        module = FluxTransformer2DModel(
            in_channels=384,
            out_channels=64,
            num_layers=1,
            num_single_layers=1,
            guidance_embeds=True,
        )
    with_layers(module, SCHEMES[scheme], torch.float16)
    module.to_empty(device="cpu").requires_grad_(False).eval()
    generator = torch.Generator().manual_seed(0)
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        leaf = name.rpartition(".")[2]
        if leaf == "weight_scale":
            # Codes of int8 that are evenly spread have a deviation of 73.
            width = module.get_submodule(name.removesuffix(".weight_scale")).in_features
            tensor.fill_(1 / (73 * math.sqrt(width)))
        elif leaf == "group_scale":
            tensor.copy_(torch.full(tensor.shape, 127.0))
        elif tensor.dtype in (torch.int8, torch.uint8):
            low, high = (-127, 128) if tensor.dtype == torch.int8 else (0, 256)
            tensor.random_(low, high, generator=generator)
        else:
            scale = 1 / math.sqrt(tensor.shape[-1]) if tensor.ndim > 1 else 0.1
            tensor.data = (torch.randn(tensor.shape, generator=generator) * scale).half()
    return module


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["int8", "int4"])
def test_nothing_overflows_with_massive_channels_in_the_stream(scheme):
    module = full_width(scheme)
    # Massive channels just below 65504 in every token, as diffusers' clipping leaves them, and
    # neurons of the feed-forward layers in the thousands.
    for embedder in (module.x_embedder, module.context_embedder):
        embedder.bias[[154, 1446]] = torch.tensor([60_000.0, -60_000.0], dtype=torch.float16)
    block = module.single_transformer_blocks[0]
    block.proj_mlp.bias[:8] = 20_000
    module.transformer_blocks[0].ff.net[0].proj.bias[:8] = 20_000
    infinite: list[str] = []
    for name, layer in module.named_modules():
        if not list(layer.children()):
            layer.register_forward_hook(
                lambda layer, inputs, output, name=name: (
                    (None if torch.isfinite(output).all() else infinite.append(name))
                    if isinstance(output, torch.Tensor)
                    else None
                )
            )
    generator = torch.Generator().manual_seed(1)
    positions = torch.cartesian_prod(torch.zeros(1), torch.arange(3.0), torch.arange(3.0))
    with torch.inference_mode():
        (velocity,) = module(
            hidden_states=torch.randn(1, 9, 384, generator=generator).half(),
            encoder_hidden_states=torch.randn(1, 4, 4096, generator=generator).half(),
            pooled_projections=torch.randn(1, 768, generator=generator).half(),
            timestep=torch.tensor([0.5]),
            guidance=torch.tensor([3.5]),
            img_ids=positions,
            txt_ids=torch.zeros(4, 3),
            return_dict=False,
        )
    assert not infinite
    assert velocity.dtype == torch.float16
    assert bool(torch.isfinite(velocity).all())
