"""The same count at full size: the published configs on the meta device, no arithmetic."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel
from transformers.models.t5.configuration_t5 import T5Config
from transformers.models.t5.modeling_t5 import T5EncoderModel

from pawfect.flux.tokens import CONDITION_WIDTH, LATENT_CHANNELS, TOKEN_WIDTH, VAE_PX, token_grid
from pawfect.weights import published
from perf.flux.versus.counting import flop_of

CLIP_TOKENS: Final = 77


def stages(
    height: int, width: int, *, text_tokens: int, encodings: int, steps: int
) -> dict[str, int]:
    """Return the FLOP of each stage of one fill at full size.

    Args:
        height: of what is worked on, px, a multiple of 16.
        width: likewise.
        text_tokens: of T5.
        encodings: how often the VAE encodes: once here, twice in the pipeline.
        steps: denoising steps.
    """
    rows, columns = token_grid(height, width)
    return {
        "flux_text_encoder": _text(text_tokens),
        "flux_vae_encoder": encodings * _encode(height, width),
        "flux_transformer": steps * _step(rows, columns, text_tokens),
        "flux_vae_decoder": _decode(height, width),
    }


@cache
def _transformer() -> Any:
    with torch.device("meta"):
        return FluxTransformer2DModel.from_config(dict(published.read("flux_transformer").config))


@cache
def _vae() -> Any:
    with torch.device("meta"):
        return AutoencoderKL.from_config(dict(published.read("flux_vae").config))


@cache
def _text(tokens: int) -> int:
    with torch.device("meta"), torch.no_grad():
        t5 = T5EncoderModel(T5Config.from_dict(dict(published.read("t5_text_encoder").config)))
        config = CLIPTextConfig.from_dict(dict(published.read("clip_text_encoder").config))
        clip: Any = CLIPTextModel(config)
        ids = torch.zeros(1, tokens, dtype=torch.long)
        short = torch.zeros(1, CLIP_TOKENS, dtype=torch.long)
        return flop_of(lambda: t5(ids)) + flop_of(lambda: clip(short))


@cache
@torch.no_grad()
def _step(rows: int, columns: int, text_tokens: int) -> int:
    model = _transformer()
    tokens = rows * columns
    with torch.device("meta"):
        return flop_of(
            lambda: model(
                hidden_states=torch.empty(1, tokens, TOKEN_WIDTH + CONDITION_WIDTH),
                encoder_hidden_states=torch.empty(1, text_tokens, model.config.joint_attention_dim),
                pooled_projections=torch.empty(1, model.config.pooled_projection_dim),
                timestep=torch.empty(1),
                guidance=torch.empty(1),
                img_ids=torch.empty(tokens, 3),
                txt_ids=torch.empty(text_tokens, 3),
                return_dict=False,
            )
        )


@cache
@torch.no_grad()
def _encode(height: int, width: int) -> int:
    picture = torch.empty(1, 3, height, width, device="meta")
    return flop_of(lambda: _vae().encode(picture))


@cache
@torch.no_grad()
def _decode(height: int, width: int) -> int:
    shape = (1, LATENT_CHANNELS, height // VAE_PX, width // VAE_PX)
    latents = torch.empty(shape, device="meta")
    return flop_of(lambda: _vae().decode(latents))
