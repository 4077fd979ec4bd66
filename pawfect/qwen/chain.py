"""Qwen-Image-Edit among the denoising models."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np

from pawfect.diffusion.chain import Chain, Colours
from pawfect.diffusion.schedule import Schedule, by_tokens
from pawfect.diffusion.tokens import mask_at_latents

LATENT_CHANNELS: Final = 16
# Width of one token: the latents of its 2x2 pixels.
TOKEN_WIDTH: Final = 4 * LATENT_CHANNELS

# What each latent channel adds to red, green and blue in -1..1, fitted by ComfyUI for the VAE that
# Qwen-Image shares with Wan 2.1: comfy/latent_formats.py, class Wan21, `latent_rgb_factors` and
# `latent_rgb_factors_bias`.
_FACTORS: Final = np.array(
    [
        [-0.1299, -0.1692, 0.2932],
        [0.0671, 0.0406, 0.0442],
        [0.3568, 0.2548, 0.1747],
        [0.0372, 0.2344, 0.1420],
        [0.0313, 0.0189, -0.0328],
        [0.0296, -0.0956, -0.0665],
        [-0.3477, -0.4059, -0.2925],
        [0.0166, 0.1902, 0.1975],
        [-0.0412, 0.0267, -0.1364],
        [-0.1293, 0.0740, 0.1636],
        [0.0680, 0.3019, 0.1128],
        [0.0032, 0.0581, 0.0639],
        [-0.1251, 0.0927, 0.1699],
        [0.0060, -0.0633, 0.0005],
        [0.3477, 0.2275, 0.2950],
        [0.1984, 0.0913, 0.1861],
    ],
    np.float32,
)
_BIAS: Final = np.array([-0.1835, -0.0868, -0.3360], np.float32)

EDIT: Final = Chain(
    name="edit",
    title="Qwen-Image-Edit",
    channels=LATENT_CHANNELS,
    colours=Colours(_FACTORS, _BIAS),
    shift=by_tokens,
    guided=True,
    text=("PROMPT_EMBEDS",),
    put_back=lambda mask: mask_at_latents(mask, LATENT_CHANNELS),
    references=True,
    sees_pictures=True,
    negative=True,
    samples_prior=True,
    rescheduled=lambda schedule, settings: with_shift(schedule, settings.shift),
)

# The exponent of the shift, for any number of tokens, that the 4- and 8-step LoRAs of
# lightx2v/Qwen-Image-Lightning were trained with: of the scheduler config published with them.
LIGHTNING_SHIFT: Final = math.log(3)


def with_shift(schedule: Schedule, shift: str) -> Schedule:
    """Return a published schedule as `EditSettings.shift` asks for it.

    Args:
        schedule: as the model publishes it.
        shift: `published`, or `lightning`, which its 4- and 8-step LoRAs were trained with.
    """
    if shift == "published":
        return schedule
    return replace(
        schedule, base_shift=LIGHTNING_SHIFT, max_shift=LIGHTNING_SHIFT, shift_terminal=0.0
    )
