"""FLOP and moved values by formula against what torch counts on the real modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.sam3.modeling_sam3 import Sam3VisionEncoderOutput

from pawfect.scene.lexicon import labelled_surfaces
from pawfect.weights.published import read
from perf.diffusion import flops
from perf.diffusion.random_transformer import step_arguments
from tests.perf.diffusion.modules import built, counted, full_size, moved

WITHIN = 0.01
META = torch.device("meta")


def agrees(formula: float, call: Callable[[], object]) -> None:
    assert formula == pytest.approx(counted(call), rel=WITHIN)


@pytest.mark.parametrize(("px", "text_tokens"), [(512, 128), (1024, 512)])
def test_a_step_of_flux_with_its_modulation_layers_and_without(px, text_tokens):
    tokens = (px // 16) ** 2
    module = full_size("flux_transformer")
    like = torch.empty(1, device=META, dtype=module.dtype)
    inputs = step_arguments(module.config, tokens, text_tokens, 1, like)
    whole = counted(lambda: module(**inputs, return_dict=False))
    assert flops.flux_step(tokens, text_tokens).flop == pytest.approx(whole, rel=WITHIN)
    rows = torch.empty(1, flops.WIDTH, device=META)
    layers = [
        part.linear
        for name, part in module.named_modules()
        if "transformer_blocks" in name and hasattr(part, "linear")
    ]
    of_layers = sum(counted(lambda layer=layer: layer(rows)) for layer in layers)
    assert sum(layer.weight.numel() for layer in layers) == flops.MODULATION_WEIGHTS
    cached = flops.flux_step(tokens, text_tokens, "cached").flop
    assert cached == pytest.approx(whole - of_layers, rel=WITHIN)


def test_the_weights_are_those_of_the_linear_layers():
    shapes = {
        name: shape[0] * shape[1]
        for name, shape in read("flux_transformer").tensors.items()
        if len(shape) == 2
    }
    inside = sum(count for name, count in shapes.items() if "transformer_blocks." in name)
    assert inside == flops.BLOCK_WEIGHTS + flops.MODULATION_WEIGHTS
    assert flops.flux_step(1, 1).weights == sum(shapes.values())
    assert flops.flux_step(1, 1, "cached").weights == sum(shapes.values()) - (
        flops.MODULATION_WEIGHTS
    )


@pytest.mark.parametrize("size", [(512, 512), (1024, 768)])
def test_the_autoencoder(size):
    module = full_size("flux_vae")
    height, width = size
    picture = torch.empty(1, 3, height, width, device=META)
    latents = torch.empty(1, 16, height // 8, width // 8, device=META)
    agrees(flops.vae_encode(height * width).flop, lambda: module.encode(picture))
    agrees(flops.vae_decode(height * width).flop, lambda: module.decode(latents))
    kernels = sum(part.weight.numel() for part in module.encoder.modules() if products(part))
    assert flops.vae_encode(1).weights == kernels
    kernels = sum(part.weight.numel() for part in module.decoder.modules() if products(part))
    assert flops.vae_decode(1).weights == kernels


def products(part: Any) -> bool:
    return isinstance(part, torch.nn.Conv2d | torch.nn.Linear)


def test_the_full_size_text_encoders():
    t5, clip = full_size("t5_text_encoder"), full_size("clip_text_encoder")
    ids = torch.zeros(1, 128, dtype=torch.long, device=META)
    short = torch.zeros(1, 77, dtype=torch.long, device=META)
    agrees(flops.TEXT.flop, lambda: (t5(ids), clip(short)))


@pytest.mark.slow
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
    got = moved(lambda: module(**inputs, return_dict=False)) / 2
    passes = flops.DOUBLE_PASSES + 2 * flops.SINGLE_PASSES
    formula = flops.WIDTH / 4 * (224 * passes + 192 * flops.OUTER_PASSES)
    assert formula == pytest.approx(got, rel=0.1)


def test_the_autoencoder_moves_what_its_kernels_read_and_write():
    module = full_size("flux_vae")
    picture = torch.empty(1, 3, 256, 256, device="meta")
    latents = torch.empty(1, 16, 32, 32, device="meta")
    for formula, call in (
        (flops.vae_encode(256 * 256), lambda: module.encode(picture)),
        (flops.vae_decode(256 * 256), lambda: module.decode(latents)),
    ):
        assert formula.moved == pytest.approx(moved(call) / 4, rel=0.15)
