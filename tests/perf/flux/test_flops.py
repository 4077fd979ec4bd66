"""FLOP by formula against FLOP as torch counts them on the real modules."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.florence2.configuration_florence2 import Florence2Config
from transformers.models.florence2.modeling_florence2 import Florence2ForConditionalGeneration
from transformers.models.sam3.configuration_sam3 import Sam3Config
from transformers.models.sam3.modeling_sam3 import Sam3Model, Sam3VisionEncoderOutput
from transformers.models.t5.configuration_t5 import T5Config
from transformers.models.t5.modeling_t5 import T5EncoderModel

from pawfect.weights.published import read
from pawfect_export.tiny import florence2 as tiny_florence2
from pawfect_export.tiny import flux as tiny_flux
from pawfect_export.tiny import sam3 as tiny_sam3
from perf.flux.flops import florence2, flux, sam3, text, vae
from tests.perf.flux.modules import built, counted, flux_inputs, full_size

WITHIN = 0.01
META = torch.device("meta")


def agrees(formula: float, call: Callable[[], object]) -> None:
    assert formula == pytest.approx(counted(call), rel=WITHIN)


def published(name: str) -> dict[str, Any]:
    return dict(read(name).config)


def flux_call(module: Any, config: Any, tokens: int, text_tokens: int, batch: int = 1) -> Any:
    like = torch.empty(1, device=module.device, dtype=module.dtype)
    inputs = flux_inputs(config, tokens, text_tokens, batch, like)
    return lambda: module(**inputs, return_dict=False)


@pytest.mark.parametrize(("px", "text_tokens"), [(512, 128), (1024, 512)])
def test_a_full_size_step_of_flux(px, text_tokens):
    config = published("flux_transformer")
    tokens = (px // 16) ** 2
    call = flux_call(full_size("flux_transformer"), config, tokens, text_tokens)
    agrees(flux.step(config, tokens, text_tokens).flop, call)


def test_a_tiny_step_of_flux_in_a_batch():
    config = dict(tiny_flux.TRANSFORMER)
    module = FluxTransformer2DModel.from_config(config)
    agrees(flux.step(config, 60, 16, batch=3).flop, flux_call(module, config, 60, 16, 3))


def test_a_step_with_cached_modulation_is_the_whole_step_less_its_modulation_layers():
    config = dict(tiny_flux.TRANSFORMER)
    module = FluxTransformer2DModel.from_config(config)
    whole = counted(flux_call(module, config, 60, 16))
    rows = torch.zeros(1, flux.inner_width(config))
    layers = [
        part.linear
        for name, part in module.named_modules()
        if "transformer_blocks" in name and hasattr(part, "linear")
    ]
    of_layers = sum(counted(lambda layer=layer: layer(rows)) for layer in layers)
    assert sum(layer.weight.numel() for layer in layers) == flux.modulation_weights(config)
    cached = flux.step(config, 60, 16, modulation="cached").flop
    assert cached == pytest.approx(whole - of_layers, rel=WITHIN)
    assert cached < flux.step(config, 60, 16).flop


def test_block_weights_are_those_of_the_linear_layers():
    config = published("flux_transformer")
    tensors = read("flux_transformer").tensors
    inside = sum(
        shape[0] * shape[1]
        for name, shape in tensors.items()
        if "transformer_blocks." in name and len(shape) == 2
    )
    assert flux.block_weights(config) + flux.modulation_weights(config) == inside


@pytest.mark.parametrize("size", [(512, 512), (1024, 768)])
def test_the_full_size_autoencoder(size):
    config, module = published("flux_vae"), full_size("flux_vae")
    height, width = size
    picture = torch.empty(1, 3, height, width, device=META)
    latents = torch.empty(1, 16, height // 8, width // 8, device=META)
    agrees(vae.encode(config, height * width).flop, lambda: module.encode(picture))
    agrees(vae.decode(config, height * width).flop, lambda: module.decode(latents))


def test_the_tiny_autoencoder():
    config = dict(tiny_flux.VAE)
    module = AutoencoderKL.from_config(config)
    picture, latents = torch.zeros(1, 3, 64, 96), torch.zeros(1, 16, 8, 12)
    agrees(vae.encode(config, 64 * 96).flop, lambda: module.encode(picture))
    agrees(vae.decode(config, 64 * 96).flop, lambda: module.decode(latents))


@pytest.mark.parametrize("tokens", [128, 512])
def test_the_full_size_text_encoders(tokens):
    t5, clip = full_size("t5_text_encoder"), full_size("clip_text_encoder")
    ids = torch.zeros(1, tokens, dtype=torch.long, device=META)
    agrees(text.t5(published("t5_text_encoder"), tokens).flop, lambda: t5(ids))
    ids = torch.zeros(1, 77, dtype=torch.long, device=META)
    agrees(text.clip(published("clip_text_encoder")).flop, lambda: clip(ids))


def test_the_tiny_t5_whose_heads_are_narrower_than_the_model():
    config = {**tiny_flux.T5, "vocab_size": 32}
    module = T5EncoderModel(T5Config.from_dict(config))
    ids = torch.zeros(1, 20, dtype=torch.long)
    agrees(text.t5(config, 20).flop, lambda: module(ids))


def test_the_full_size_vision_encoder_of_sam3():
    module = full_size("sam3")
    picture = torch.empty(1, 3, 1008, 1008, device=META)
    agrees(sam3.vision(published("sam3")).flop, lambda: module.vision_encoder(picture))


def asked(module: Any, sides: int, phrases: int, width: int) -> Any:
    levels = tuple(
        torch.zeros(phrases, width, side, side)
        for side in (sides * 4, sides * 2, sides, sides // 2)
    )
    seen = Sam3VisionEncoderOutput(fpn_hidden_states=levels, fpn_position_encoding=levels)
    texts = BaseModelOutputWithPooling(pooler_output=torch.zeros(phrases, 32, width))
    mask = torch.ones(phrases, 32, dtype=torch.long)
    return lambda: module(vision_embeds=seen, text_embeds=texts, attention_mask=mask)


def test_the_full_size_detector_of_sam3_on_a_smaller_grid():
    # Real tensors, since it reads the grid's size out of one: a grid of 24 instead of 72.
    config = copy.deepcopy(published("sam3"))
    config["detector_config"]["vision_config"]["backbone_config"]["image_size"] = 24 * 14
    module = built("sam3")
    module.vision_encoder = module.text_encoder = module.geometry_encoder = None
    module = module.to_empty(device="cpu").eval()
    agrees(sam3.phrases(config, 2).flop, asked(module, 24, 2, 256))


def test_the_tiny_sam3():
    config = tiny_sam3._config(100)
    module = Sam3Model(Sam3Config.from_dict(config["detector_config"])).eval()
    picture = torch.zeros(1, 3, tiny_sam3.SIDE, tiny_sam3.SIDE)
    agrees(sam3.vision(config).flop, lambda: module.vision_encoder(picture))
    agrees(sam3.phrases(config, 3).flop, asked(module, 16, 3, tiny_sam3.WIDTH))


def test_the_full_size_vision_tower_of_florence2():
    module = full_size("florence2_base")
    picture = torch.empty(1, 3, 768, 768, device=META)
    config = published("florence2_base")
    agrees(florence2.vision(config).flop, lambda: module.model.get_image_features(picture))


@pytest.mark.parametrize("new_tokens", [4, 20])
def test_a_caption_of_the_tiny_florence2(new_tokens):
    config: dict[str, Any] = {
        "model_type": "florence2",
        "image_token_id": 90,
        "is_encoder_decoder": True,
        "tie_word_embeddings": True,
        "text_config": {**tiny_florence2.TEXT, "vocab_size": 128},
        "vision_config": dict(tiny_florence2.VISION),
    }
    module: Any = Florence2ForConditionalGeneration(Florence2Config.from_dict(config)).eval()
    tokens = florence2.image_tokens(config, tiny_florence2.SIDE)
    assert tokens == tiny_florence2.IMAGE_TOKENS
    prompt = torch.tensor([[90] * tokens + [4] * 7])
    picture = torch.zeros(1, 3, tiny_florence2.SIDE, tiny_florence2.SIDE)

    def generate() -> None:
        module.generate(
            input_ids=prompt,
            attention_mask=torch.ones_like(prompt),
            pixel_values=picture,
            num_beams=3,
            do_sample=False,
            min_new_tokens=new_tokens,
            max_new_tokens=new_tokens,
        )

    formula = florence2.caption(config, new_tokens, side=tiny_florence2.SIDE, question=7)
    agrees(formula.flop, generate)
