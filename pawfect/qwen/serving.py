"""Qwen-Image-Edit's four models as functions of tensors, loaded from their weights.

torch and the models' libraries are imported by the loaders, not with this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from pawfect.contract.parameters import NoParams
from pawfect.contract.pictures import parted
from pawfect.contract.tensors import MIN_SIDE, Array
from pawfect.contract.texts import read_texts
from pawfect.diffusion import serving
from pawfect.diffusion.serving import Run, toward_of
from pawfect.qwen.chain import EDIT, with_shift
from pawfect.settings import EditSettings
from pawfect.weights.reading import unusable

if TYPE_CHECKING:
    from pawfect.qwen.vae import Vae
    from pawfect.serving import BatchFunction


# Tensors of the pictures that the text encoder looks at.
SHOWN: Final = ("PICTURES", "SIZES")


def text_encoder(settings: EditSettings, folder: Path, whole: Path) -> Run:
    """Load Qwen2.5-VL; see `pawfect.qwen.text`.

    Args:
        settings: of the profile.
        folder: of the encoder's weights.
        whole: of the whole model.
    """
    from pawfect.qwen.text import TextEncoder

    encoder = serving.load_text_encoder(TextEncoder, settings, whole, weights=folder)

    def run(inputs: Mapping[str, Array], _: NoParams) -> dict[str, Array]:
        (prompt,) = read_texts("PROMPT", inputs["PROMPT"])
        embedding = encoder.encode(prompt, parted(inputs["PICTURES"], inputs["SIZES"], SHOWN))
        return {
            "PROMPT_EMBEDS": embedding.embeds,
            "CUT": np.array([embedding.cut], np.int32),
        }

    return run


def vae_encoder(settings: EditSettings, folder: Path) -> Run:
    """Load the VAE to encode pictures; see `pawfect.qwen.vae`."""
    vae = _vae(settings, folder)

    def run(inputs: Mapping[str, Array], _: NoParams) -> dict[str, Array]:
        sampled = bool(inputs["SAMPLED"][0]) if "SAMPLED" in inputs else False
        seed, toward = int(inputs["SEED"][0]), toward_of(inputs)
        encoded = vae.encode(inputs["IMAGE"], seed, toward, sampled=sampled)
        return {"LATENTS": encoded.latents, "PRIOR": encoded.prior}

    return run


def vae_decoder(settings: EditSettings, folder: Path) -> Run:
    """Load the VAE to decode latents; see `pawfect.qwen.vae`."""
    return serving.decoder(_vae(settings, folder))


def _vae(settings: EditSettings, folder: Path) -> Vae:
    from pawfect.qwen.vae import Vae

    return Vae.load(folder, device=settings.device, dtype=settings.dtype, tile_px=settings.tile_px)


def transformer(settings: EditSettings, folder: Path, whole: Path) -> BatchFunction:
    """Load the transformer: one step for a batch of requests; see `pawfect.diffusion.batch`.

    Args:
        settings: of the profile.
        folder: of the transformer's weights.
        whole: of the whole model, which has the schedule.

    Raises:
        PawfectError: UNAVAILABLE for an attention that hides no padding, and as
            `pawfect.diffusion.serving.stepping`.
    """
    from pawfect.diffusion.schedule import read_schedule
    from pawfect.qwen.transformer import Transformer

    if settings.attention == "xformers":
        # diffusers 0.42 makes numbers of its mask, which then hides nothing.
        problem = "expected a kernel that hides padded texts, got xformers"
        raise unusable(folder, f'{problem}; set edit.attention = "auto"')
    schedule = None
    if settings.modulation == "cached":
        schedule = with_shift(read_schedule(whole, EDIT.shift), settings.shift)
    load = partial(
        Transformer.load,
        folder,
        device=settings.device,
        dtype=settings.dtype,
        modulation=settings.modulation,
        schedule=schedule,
        steps=settings.steps,
    )
    return serving.stepping(settings, folder, load)


def probe(settings: EditSettings) -> dict[str, Array]:
    """Return the probe's tensors for all four models."""
    return serving.probe(EDIT, settings) | {
        "PICTURES": np.full(MIN_SIDE * MIN_SIDE * 3, 127, np.uint8),
        "SIZES": np.array([[MIN_SIDE, MIN_SIDE]], np.int32),
        "GUIDANCE": np.array([settings.guidance_scale], np.float32),
    }
