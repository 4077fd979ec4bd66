"""What the Triton models of all chains share: decoders, steps, and the tensors of their probes.

torch and the models' libraries are imported by the loaders, not with this module.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from pawfect.contract.errors import invalid
from pawfect.contract.parameters import NoParams
from pawfect.contract.tensors import MIN_SIDE, NONCE, Array
from pawfect.contract.texts import text_tensor
from pawfect.diffusion.chain import Chain
from pawfect.picture.canvas import TOKEN_PX
from pawfect.settings import ChainSettings
from pawfect.weights.reading import unusable

if TYPE_CHECKING:
    from pawfect.diffusion.autoencoder import Autoencoder, Toward
    from pawfect.diffusion.batch import Stepper
    from pawfect.serving import BatchFunction

Encoder = TypeVar("Encoder")
Run = Callable[[Mapping[str, Array], NoParams], dict[str, Array]]

# Rows and columns of tokens of the smallest photo.
PROBE_GRID: Final = MIN_SIDE // TOKEN_PX


def decoder(vae: Autoencoder) -> Run:
    """Return the function of a chain's vae_decoder."""

    def run(inputs: Mapping[str, Array], _: NoParams) -> dict[str, Array]:
        rows, columns = (int(number) for number in inputs["GRID"])
        return {"IMAGE": vae.decode(inputs["LATENTS"], (rows, columns))}

    return run


def load_text_encoder(
    kind: type[Encoder], settings: ChainSettings, folder: Path, **more: Any
) -> Encoder:
    """Load a chain's text encoder as a profile has it.

    Args:
        kind: of the chain.
        settings: of the profile.
        folder: of the whole model.
        more: what else its `load` takes.
    """
    import torch

    # Others run one thread each; this one serves all requests, and seldom.
    torch.set_num_threads(settings.text_threads)
    loading: Any = kind
    encoder: Encoder = loading.load(
        folder,
        device=settings.text_device,
        dtype=settings.text_dtype,
        tokens=settings.text_tokens,
        **more,
    )
    return encoder


def toward_of(inputs: Mapping[str, Array]) -> Toward | None:
    """Return the other seed and the angle that the noise is turned by; None where it is not.

    Raises:
        PawfectError: INVALID_ARG for one without the other.
    """
    if ("TOWARD_SEED" in inputs) is not ("ANGLE" in inputs):
        raise invalid("TOWARD_SEED, ANGLE", "both or neither", "one of them")
    if "TOWARD_SEED" not in inputs:
        return None
    return int(inputs["TOWARD_SEED"][0]), float(inputs["ANGLE"][0])


def stepping(settings: ChainSettings, folder: Path, load: Callable[[], Stepper]) -> BatchFunction:
    """Load a chain's transformer, with the profile's attention and compilation.

    Args:
        settings: of the profile.
        folder: of the transformer's weights, for messages.
        load: loads it.

    Raises:
        PawfectError: UNAVAILABLE where the weights are not usable, or the profile's attention is
            not here, with what mends it.
    """
    import torch

    from pawfect.diffusion.attention import AttentionError, use_attention
    from pawfect.diffusion.batch import answer_steps
    from pawfect.diffusion.compiling import compile_blocks

    if settings.modulation == "cached" and settings.device != "cpu":
        # The server gives each model's process one thread; new rows take seconds on one, while the
        # GPU waits.
        torch.set_num_threads(settings.text_threads)
    stepper = load()
    try:
        use_attention(stepper.module, settings.attention)
    except AttentionError as error:
        raise unusable(folder, str(error)) from None
    if settings.compile:
        compile_blocks(stepper.module)
    return partial(answer_steps, stepper)


def probe(chain: Chain, settings: ChainSettings) -> dict[str, Array]:
    """Return the probe's tensors that all four models of any chain may take."""
    tokens = PROBE_GRID * PROBE_GRID
    return {
        "PROMPT": text_tensor("grass"),
        # Never twice the same: the response cache would answer in the encoder's place.
        NONCE: np.array([time.time_ns()], np.int64),
        "SEED": np.array([0], np.int64),
        "LATENTS": np.zeros((tokens, chain.token_width), np.float32),
        "PROMPT_EMBEDS": np.zeros((settings.text_tokens, settings.text_width), np.float16),
        "TIMESTEP": np.array([500], np.float32),
        "GUIDANCE": np.array([30], np.float32),
        "GRID": np.array([PROBE_GRID, PROBE_GRID], np.int32),
    }
