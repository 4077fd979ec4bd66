"""FLUX's four models as functions of tensors, loaded from their weights.

torch and the models' libraries are imported by the loaders, not with this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pawfect.contract.parameters import NoParams
from pawfect.contract.tensors import Array
from pawfect.contract.texts import read_texts
from pawfect.diffusion import serving
from pawfect.diffusion.serving import PROBE_GRID, Run, toward_of
from pawfect.flux.chain import FLUX
from pawfect.flux.condition import CONDITION_WIDTH
from pawfect.settings import FluxSettings

if TYPE_CHECKING:
    from pawfect.flux.vae import Vae
    from pawfect.serving import BatchFunction


def text_encoder(settings: FluxSettings, folder: Path) -> Run:
    """Load T5 and CLIP; see `pawfect.flux.text`."""
    from pawfect.flux.text import TextEncoder

    encoder = serving.load_text_encoder(TextEncoder, settings, folder)

    def run(inputs: Mapping[str, Array], _: NoParams) -> dict[str, Array]:
        (prompt,) = read_texts("PROMPT", inputs["PROMPT"])
        embedding = encoder.encode(prompt)
        return {
            "PROMPT_EMBEDS": embedding.embeds,
            "POOLED": embedding.pooled,
            "CUT": np.array([embedding.cut], np.int32),
        }

    return run


def vae_encoder(settings: FluxSettings, folder: Path) -> Run:
    """Load the VAE to encode windows; see `pawfect.flux.vae`."""
    vae = _vae(settings, folder)

    def run(inputs: Mapping[str, Array], _: NoParams) -> dict[str, Array]:
        seed, prefill, toward = int(inputs["SEED"][0]), inputs.get("PREFILL"), toward_of(inputs)
        encoded = vae.encode(inputs["IMAGE"], inputs["MASK"], seed, prefill, toward)
        outputs: dict[str, Array] = {"LATENTS": encoded.latents, "CONDITION": encoded.condition}
        if encoded.prior is not None:
            outputs["PRIOR"] = encoded.prior
        return outputs

    return run


def vae_decoder(settings: FluxSettings, folder: Path) -> Run:
    """Load the VAE to decode latents; see `pawfect.flux.vae`."""
    return serving.decoder(_vae(settings, folder))


def _vae(settings: FluxSettings, folder: Path) -> Vae:
    from pawfect.flux.vae import Vae

    return Vae.load(folder, device=settings.device, dtype=settings.dtype, tile_px=settings.tile_px)


def transformer(settings: FluxSettings, folder: Path, whole: Path) -> BatchFunction:
    """Load the transformer: one step for a batch of requests; see `pawfect.diffusion.batch`.

    Args:
        settings: of the profile.
        folder: of the transformer's weights.
        whole: of the whole model, which has the schedule.

    Raises:
        PawfectError: as `pawfect.diffusion.serving.stepping`.
    """
    from pawfect.diffusion.schedule import read_schedule
    from pawfect.flux.transformer import Transformer

    load = partial(
        Transformer.load,
        folder,
        device=settings.device,
        dtype=settings.dtype,
        modulation=settings.modulation,
        schedule=read_schedule(whole) if settings.modulation == "cached" else None,
        steps=settings.steps,
    )
    return serving.stepping(settings, folder, load)


def probe(settings: FluxSettings) -> dict[str, Array]:
    """Return the probe's tensors for all four models."""
    tokens = PROBE_GRID * PROBE_GRID
    return serving.probe(FLUX, settings) | {
        "CONDITION": np.zeros((tokens, CONDITION_WIDTH), np.float32),
        "POOLED": np.zeros(settings.pooled_width, np.float16),
    }
