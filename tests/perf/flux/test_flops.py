"""FLOP by formula against FLOP as torch counts them on the real modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.sam3.modeling_sam3 import Sam3VisionEncoderOutput

from pawfect.scene.lexicon import labelled_surfaces
from pawfect.weights.published import read
from pawfect_export.tiny import flux as tiny_flux
from perf.flux import flops
from perf.flux.random_transformer import step_arguments
from tests.perf.flux.modules import built, counted, full_size

WITHIN = 0.01
META = torch.device("meta")


def agrees(formula: float, call: Callable[[], object]) -> None:
    assert formula == pytest.approx(counted(call), rel=WITHIN)


def published(name: str) -> dict[str, Any]:
    return dict(read(name).config)


def flux_call(module: Any, config: Any, tokens: int, text_tokens: int, batch: int = 1) -> Any:
    like = torch.empty(1, device=module.device, dtype=module.dtype)
    inputs = step_arguments(config, tokens, text_tokens, batch, like)
    return lambda: module(**inputs, return_dict=False)


@pytest.mark.parametrize(("px", "text_tokens"), [(512, 128), (1024, 512)])
def test_a_full_size_step_of_flux(px, text_tokens):
    config = published("flux_transformer")
    tokens = (px // 16) ** 2
    call = flux_call(full_size("flux_transformer"), config, tokens, text_tokens)
    agrees(flops.flux_step(config, tokens, text_tokens).flop, call)


def test_a_tiny_step_of_flux_in_a_batch():
    config = dict(tiny_flux.TRANSFORMER)
    module = FluxTransformer2DModel.from_config(config)
    agrees(flops.flux_step(config, 60, 16, batch=3).flop, flux_call(module, config, 60, 16, 3))


def test_a_step_with_cached_modulation_is_the_whole_step_less_its_modulation_layers():
    config = dict(tiny_flux.TRANSFORMER)
    module = FluxTransformer2DModel.from_config(config)
    whole = counted(flux_call(module, config, 60, 16))
    rows = torch.zeros(1, flops.inner_width(config))
    layers = [
        part.linear
        for name, part in module.named_modules()
        if "transformer_blocks" in name and hasattr(part, "linear")
    ]
    of_layers = sum(counted(lambda layer=layer: layer(rows)) for layer in layers)
    assert sum(layer.weight.numel() for layer in layers) == flops.modulation_weights(config)
    cached = flops.flux_step(config, 60, 16, modulation="cached").flop
    assert cached == pytest.approx(whole - of_layers, rel=WITHIN)
    assert cached < flops.flux_step(config, 60, 16).flop


def test_block_weights_are_those_of_the_linear_layers():
    config = published("flux_transformer")
    tensors = read("flux_transformer").tensors
    inside = sum(
        shape[0] * shape[1]
        for name, shape in tensors.items()
        if "transformer_blocks." in name and len(shape) == 2
    )
    assert flops.block_weights(config) + flops.modulation_weights(config) == inside


@pytest.mark.parametrize("size", [(512, 512), (1024, 768)])
def test_the_full_size_autoencoder(size):
    config, module = published("flux_vae"), full_size("flux_vae")
    height, width = size
    picture = torch.empty(1, 3, height, width, device=META)
    latents = torch.empty(1, 16, height // 8, width // 8, device=META)
    agrees(flops.vae_encode(config, height * width).flop, lambda: module.encode(picture))
    agrees(flops.vae_decode(config, height * width).flop, lambda: module.decode(latents))


def test_the_tiny_autoencoder():
    config = dict(tiny_flux.VAE)
    module = AutoencoderKL.from_config(config)
    picture, latents = torch.zeros(1, 3, 64, 96), torch.zeros(1, 16, 8, 12)
    agrees(flops.vae_encode(config, 64 * 96).flop, lambda: module.encode(picture))
    agrees(flops.vae_decode(config, 64 * 96).flop, lambda: module.decode(latents))


def test_the_full_size_text_encoders():
    t5, clip = full_size("t5_text_encoder"), full_size("clip_text_encoder")
    ids = torch.zeros(1, 128, dtype=torch.long, device=META)
    short = torch.zeros(1, 77, dtype=torch.long, device=META)
    agrees(flops.TEXT.flop, lambda: (t5(ids), clip(short)))


def test_sam3_with_all_phrases_takes_its_vision_encoder_once_and_its_detector_for_each():
    module = full_size("sam3")
    picture = torch.empty(1, 3, 1008, 1008, device=META)
    vision = counted(lambda: module.vision_encoder(picture))
    # The rest is the detector's, whose grid is read out of real tensors: 24 cells for its 72.
    detector = built("sam3")
    detector.vision_encoder = detector.text_encoder = detector.geometry_encoder = None
    detector = detector.to_empty(device="cpu").eval()
    small = counted(asked(detector, 24, 2, 256)) / 2
    count = sum(len(surface.phrases) for surface in labelled_surfaces())
    # From nine times as much work by cells, to 81 times where cells attend to cells.
    assert vision + 9 * count * small < flops.LABELS.flop < vision + 81 * count * small


def test_the_full_size_vision_tower_of_florence2_is_most_of_a_caption():
    module = full_size("florence2_base")
    picture = torch.empty(1, 3, 768, 768, device=META)
    vision = counted(lambda: module.model.get_image_features(picture))
    assert 0.5 * flops.CAPTION.flop < vision < flops.CAPTION.flop


def asked(module: Any, sides: int, phrases: int, width: int) -> Any:
    levels = tuple(
        torch.zeros(phrases, width, side, side)
        for side in (sides * 4, sides * 2, sides, sides // 2)
    )
    seen = Sam3VisionEncoderOutput(fpn_hidden_states=levels, fpn_position_encoding=levels)
    texts = BaseModelOutputWithPooling(pooler_output=torch.zeros(phrases, 32, width))
    mask = torch.ones(phrases, 32, dtype=torch.long)
    return lambda: module(vision_embeds=seen, text_embeds=texts, attention_mask=mask)
