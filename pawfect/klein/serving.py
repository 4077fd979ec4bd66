"""klein's four models as functions of tensors, loaded from their weights.

torch and the models' libraries are imported by the loaders, not with this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from pawfect.contract.parameters import NoParams
from pawfect.contract.tensors import Array
from pawfect.contract.texts import read_texts
from pawfect.diffusion import serving
from pawfect.diffusion.serving import Run, toward_of
from pawfect.klein.chain import KLEIN
from pawfect.settings import KleinSettings
from pawfect.weights.reading import read_json, unusable

if TYPE_CHECKING:
    from pawfect.klein.vae import Vae
    from pawfect.serving import BatchFunction

# As a whole model's folder says what it is.
PIPELINE: Final = "Flux2KleinPipeline"


def text_encoder(settings: KleinSettings, folder: Path, whole: Path) -> Run:
    """Load Qwen3; see `pawfect.klein.text`.

    Args:
        settings: of the profile.
        folder: of the encoder's weights.
        whole: of the whole model.
    """
    from pawfect.klein.text import TextEncoder

    encoder = serving.load_text_encoder(TextEncoder, settings, whole, weights=folder)

    def run(inputs: Mapping[str, Array], _: NoParams) -> dict[str, Array]:
        (prompt,) = read_texts("PROMPT", inputs["PROMPT"])
        embedding = encoder.encode(prompt)
        return {"PROMPT_EMBEDS": embedding.embeds, "CUT": np.array([embedding.cut], np.int32)}

    return run


def vae_encoder(settings: KleinSettings, folder: Path) -> Run:
    """Load the VAE to encode pictures; see `pawfect.klein.vae`."""
    vae = _vae(settings, folder)

    def run(inputs: Mapping[str, Array], _: NoParams) -> dict[str, Array]:
        encoded = vae.encode(inputs["IMAGE"], int(inputs["SEED"][0]), toward_of(inputs))
        return {"LATENTS": encoded.latents, "PRIOR": encoded.prior}

    return run


def vae_decoder(settings: KleinSettings, folder: Path) -> Run:
    """Load the VAE to decode latents; see `pawfect.klein.vae`."""
    return serving.decoder(_vae(settings, folder))


def _vae(settings: KleinSettings, folder: Path) -> Vae:
    from pawfect.klein.vae import Vae

    return Vae.load(folder, device=settings.device, dtype=settings.dtype, tile_px=settings.tile_px)


def transformer(settings: KleinSettings, folder: Path, whole: Path) -> BatchFunction:
    """Load the transformer: one step for a batch of requests; see `pawfect.diffusion.batch`.

    Args:
        settings: of the profile.
        folder: of the transformer's weights.
        whole: of the whole model, which says whether they are the distilled ones: a quantised
            transformer comes without its model_index.json.

    Raises:
        PawfectError: UNAVAILABLE for the base model's weights and for a modulation that is cached;
            else as `pawfect.diffusion.serving.stepping`.
    """
    if settings.modulation != "layers":
        problem = "expected modulation layers, got cached: klein's blocks share theirs, 0.2 GB"
        raise unusable(folder, f'{problem}; set klein.modulation = "layers"')
    from pawfect.klein.transformer import Transformer

    check_distilled(whole)
    load = partial(Transformer.load, folder, device=settings.device, dtype=settings.dtype)
    return serving.stepping(settings, folder, load)


def check_distilled(folder: Path) -> None:
    """Raise UNAVAILABLE unless a whole model's folder holds distilled weights.

    The base model has the same tensors; without a second branch of guidance and with few steps it
    draws mud.
    """
    index = read_json(folder, "model_index.json")
    if index.get("_class_name") != PIPELINE:
        raise unusable(folder, f"expected {PIPELINE}, got {index.get('_class_name')}")
    if index.get("is_distilled") is not True:
        got = f"is_distilled: {index.get('is_distilled')}"
        raise unusable(folder, f"expected the distilled weights, got the base model's ({got})")


def probe(settings: KleinSettings) -> dict[str, Array]:
    """Return the probe's tensors for all four models."""
    return serving.probe(KLEIN, settings)
