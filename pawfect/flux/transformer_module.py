"""FLUX's transformer as diffusers' module, built from its config; without weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel

from pawfect.diffusion.loading import on_meta, read_config
from pawfect.flux.condition import CONDITION_WIDTH, TOKEN_WIDTH

# What makes a FLUX transformer FLUX-Fill; the rest is size.
FILL: Final = {
    "in_channels": TOKEN_WIDTH + CONDITION_WIDTH,
    "out_channels": TOKEN_WIDTH,
    "guidance_embeds": True,
}


def build_module(folder: Path, required: Mapping[str, Any]) -> FluxTransformer2DModel:
    """Return the module of a folder's config.json, without weights.

    Args:
        folder: `transformer` of a published model.
        required: entries that the config must have.

    Raises:
        PawfectError: UNAVAILABLE where the config is missing, damaged or another model's.
    """
    config = read_config(folder, "FluxTransformer2DModel", required)
    module: FluxTransformer2DModel = on_meta(
        folder, lambda: FluxTransformer2DModel.from_config(config)
    )
    return module
