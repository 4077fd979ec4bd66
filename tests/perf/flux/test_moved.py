"""Values moved by formula against what torch's kernels read and write on the real modules."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel

from pawfect.weights.published import read
from pawfect_export.tiny import flux as tiny_flux
from perf.flux import flops
from perf.flux.random_transformer import step_arguments
from tests.perf.flux.tracking import moved

HALF = 2


def test_flux_moves_what_its_kernels_read_and_write():
    # A quarter as wide as published: what is as wide as a head, not as the model, stays small.
    config: dict[str, Any] = {
        **read("flux_transformer").config,
        "num_attention_heads": 6,
        "num_layers": 1,
        "num_single_layers": 2,
    }
    module = FluxTransformer2DModel.from_config(config).half()
    inputs = step_arguments(config, 192, 32, 1, torch.zeros(1).half())
    got = moved(lambda: module(**inputs, return_dict=False)) / HALF
    assert flops.flux_step(config, 192, 32).moved == pytest.approx(got, rel=0.1)


def test_the_autoencoder_moves_what_its_kernels_read_and_write():
    config = {**tiny_flux.VAE, "layers_per_block": 2}
    module = AutoencoderKL.from_config(config).half()
    picture, latents = torch.zeros(1, 3, 128, 128).half(), torch.zeros(1, 16, 16, 16).half()
    for formula, call in (
        (flops.vae_encode(config, 128 * 128), lambda: module.encode(picture)),
        (flops.vae_decode(config, 128 * 128), lambda: module.decode(latents)),
    ):
        assert formula.moved == pytest.approx(moved(call) / HALF, rel=0.15)
