"""FLUX.1-Fill among the denoising models."""

from __future__ import annotations

from typing import Final

import numpy as np

from pawfect.diffusion.chain import Chain, Colours
from pawfect.diffusion.schedule import by_tokens
from pawfect.flux.condition import LATENT_CHANNELS

# What each of FLUX's 16 latent channels adds to red, green and blue in -1..1, fitted by ComfyUI:
# comfy/latent_formats.py, class Flux, `latent_rgb_factors` and `latent_rgb_factors_bias`.
_FACTORS: Final = np.array(
    [
        [-0.0346, 0.0244, 0.0681],
        [0.0034, 0.0210, 0.0687],
        [0.0275, -0.0668, -0.0433],
        [-0.0174, 0.0160, 0.0617],
        [0.0859, 0.0721, 0.0329],
        [0.0004, 0.0383, 0.0115],
        [0.0405, 0.0861, 0.0915],
        [-0.0236, -0.0185, -0.0259],
        [-0.0245, 0.0250, 0.1180],
        [0.1008, 0.0755, -0.0421],
        [-0.0515, 0.0201, 0.0011],
        [0.0428, -0.0012, -0.0036],
        [0.0817, 0.0765, 0.0749],
        [-0.1264, -0.0522, -0.1103],
        [-0.0280, -0.0881, -0.0499],
        [-0.1262, -0.0982, -0.0778],
    ],
    np.float32,
)
_BIAS: Final = np.array([-0.0329, -0.0718, -0.0851], np.float32)

FLUX: Final = Chain(
    name="flux",
    title="FLUX.1-Fill",
    channels=LATENT_CHANNELS,
    colours=Colours(_FACTORS, _BIAS),
    shift=by_tokens,
    guided=True,
    text=("PROMPT_EMBEDS", "POOLED"),
)
