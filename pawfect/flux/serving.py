"""FLUX's four models as functions of tensors, loaded from their weights.

torch and the models' libraries are imported by the loaders, not with this module.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from pawfect.contract.errors import invalid
from pawfect.contract.parameters import NoParams
from pawfect.contract.tensors import MIN_SIDE, NONCE, Array
from pawfect.contract.texts import read_texts, text_tensor
from pawfect.flux.tokens import CONDITION_WIDTH, TOKEN_WIDTH
from pawfect.picture.canvas import TOKEN_PX
from pawfect.settings import FluxSettings
from pawfect.weights.reading import unusable

if TYPE_CHECKING:
    from pawfect.flux.vae import Vae
    from pawfect.serving import BatchFunction

Run = Callable[[Mapping[str, Array], NoParams], dict[str, Array]]

# Rows and columns of tokens of the smallest photo.
PROBE_GRID: Final = MIN_SIDE // TOKEN_PX


def text_encoder(settings: FluxSettings, folder: Path) -> Run:
    """Load T5 and CLIP; see `pawfect.flux.text`."""
    import torch

    from pawfect.flux.text import TextEncoder

    # Others run one thread each; this one serves all requests, and seldom.
    torch.set_num_threads(settings.text_threads)
    encoder = TextEncoder.load(
        folder,
        device=settings.text_device,
        dtype=settings.text_dtype,
        tokens=settings.text_tokens,
    )

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
        if ("TOWARD_SEED" in inputs) is not ("ANGLE" in inputs):
            raise invalid("TOWARD_SEED, ANGLE", "both or neither", "one of them")
        toward = None
        if "TOWARD_SEED" in inputs:
            toward = (int(inputs["TOWARD_SEED"][0]), float(inputs["ANGLE"][0]))
        seed, prefill = int(inputs["SEED"][0]), inputs.get("PREFILL")
        encoded = vae.encode(inputs["IMAGE"], inputs["MASK"], seed, prefill, toward)
        outputs: dict[str, Array] = {"LATENTS": encoded.latents, "CONDITION": encoded.condition}
        if encoded.prior is not None:
            outputs["PRIOR"] = encoded.prior
        return outputs

    return run


def vae_decoder(settings: FluxSettings, folder: Path) -> Run:
    """Load the VAE to decode latents; see `pawfect.flux.vae`."""
    vae = _vae(settings, folder)

    def run(inputs: Mapping[str, Array], _: NoParams) -> dict[str, Array]:
        rows, columns = (int(number) for number in inputs["GRID"])
        return {"IMAGE": vae.decode(inputs["LATENTS"], (rows, columns))}

    return run


def _vae(settings: FluxSettings, folder: Path) -> Vae:
    from pawfect.flux.vae import Vae

    return Vae.load(folder, device=settings.device, dtype=settings.dtype, tile_px=settings.tile_px)


def transformer(settings: FluxSettings, folder: Path, whole: Path) -> BatchFunction:
    """Load the transformer: one denoising step for a batch of requests; see `pawfect.flux.batch`.

    Args:
        settings: of the profile.
        folder: of the transformer's weights.
        whole: of the whole model, which has the schedule.

    Raises:
        PawfectError: UNAVAILABLE where the weights are not usable, or the profile's attention is
            not here, with what mends it.
    """
    import torch

    from pawfect.flux.attention import AttentionError, use_attention
    from pawfect.flux.batch import answer_steps
    from pawfect.flux.compiling import compile_blocks
    from pawfect.flux.schedule import read_schedule
    from pawfect.flux.transformer import Transformer

    schedule = None
    if settings.modulation == "cached":
        schedule = read_schedule(whole)
        if settings.device != "cpu":
            # The server gives each model's process one thread; a new prompt's rows take seconds on
            # one, while the GPU waits.
            torch.set_num_threads(settings.text_threads)
    model = Transformer.load(
        folder,
        device=settings.device,
        dtype=settings.dtype,
        modulation=settings.modulation,
        schedule=schedule,
        steps=settings.steps,
    )
    try:
        use_attention(model.module, settings.attention)
    except AttentionError as error:
        raise unusable(folder, str(error)) from None
    if settings.compile:
        compile_blocks(model.module)
    return partial(answer_steps, model)


def probe(settings: FluxSettings) -> dict[str, Array]:
    """Return the probe's tensors for all four models."""
    tokens = PROBE_GRID * PROBE_GRID
    return {
        "PROMPT": text_tensor("grass"),
        # Never twice the same: the response cache would answer in the encoder's place.
        NONCE: np.array([time.time_ns()], np.int64),
        "SEED": np.array([0], np.int64),
        "LATENTS": np.zeros((tokens, TOKEN_WIDTH), np.float32),
        "CONDITION": np.zeros((tokens, CONDITION_WIDTH), np.float32),
        "PROMPT_EMBEDS": np.zeros((settings.text_tokens, settings.text_width), np.float16),
        "POOLED": np.zeros(settings.pooled_width, np.float16),
        "TIMESTEP": np.array([500], np.float32),
        "GUIDANCE": np.array([30], np.float32),
        "GRID": np.array([PROBE_GRID, PROBE_GRID], np.int32),
    }
