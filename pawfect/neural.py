"""The neural models as functions of plain arrays: loaded once, by profile, from verified weights.

torch and the models' libraries are imported by the loaders, not with this module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from pawfect.contract.errors import PawfectError, invalid
from pawfect.contract.parameters import Scalar
from pawfect.contract.tensors import Array
from pawfect.contract.texts import read_texts, text_tensor
from pawfect.models import Function, check_inputs
from pawfect.out_of_memory import require
from pawfect.profile import NEEDS, Profile
from pawfect.weights.reading import weights_folder
from pawfect.weights.store import Store

if TYPE_CHECKING:
    from pawfect.flux.vae import Vae

# Requests of one batch in, for each its outputs or what was wrong with it out.
BatchFunction = Callable[[Sequence[Mapping[str, Array]]], list[dict[str, Array] | PawfectError]]


def load_function(model: str, profile: Profile, store: Store) -> Function:
    """Load a model that answers requests one by one.

    Args:
        model: its name in the contract.
        profile: device, precision and sizes.
        store: where the weights are.

    Raises:
        PawfectError: UNAVAILABLE for weights that are missing, damaged or of another shape.
    """
    component, _ = NEEDS[model]
    run = _LOADERS[model](profile, weights_folder(component, profile, store))

    def function(inputs: Mapping[str, Array], parameters: Mapping[str, Scalar]) -> dict[str, Array]:
        if parameters:
            raise invalid("parameters", "none", ", ".join(sorted(parameters)))
        check_inputs(model, inputs)
        return require(model, lambda: run(inputs))

    return function


def load_transformer(profile: Profile, store: Store) -> BatchFunction:
    """Load `flux_transformer`: one denoising step for a batch of requests.

    See `pawfect.flux.batch`. Raises as `load_function`.
    """
    import torch

    from pawfect.flux.batch import answer_steps
    from pawfect.flux.compiling import compile_blocks
    from pawfect.flux.schedule import read_schedule
    from pawfect.flux.transformer import Transformer

    settings = profile.flux
    assert settings is not None
    folder = weights_folder("flux_transformer", profile, store)
    schedule = None
    if settings.modulation == "cached":
        # Of the whole model: a quantised transformer comes without it.
        schedule = read_schedule(weights_folder("flux", profile, store))
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
    if settings.compile:
        compile_blocks(model.module)
    return partial(answer_steps, model)


Run = Callable[[Mapping[str, Array]], dict[str, Array]]


def _text_encoder(profile: Profile, folder: Path) -> Run:
    import torch

    from pawfect.flux.text import TextEncoder

    settings = profile.flux
    assert settings is not None
    # Others run one thread each; this one serves all requests, and seldom.
    torch.set_num_threads(settings.text_threads)
    encoder = TextEncoder.load(
        folder,
        device=settings.text_device,
        dtype=settings.text_dtype,
        tokens=settings.text_tokens,
    )

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        (prompt,) = read_texts("PROMPT", inputs["PROMPT"])
        embedding = encoder.encode(prompt)
        return {
            "PROMPT_EMBEDS": embedding.embeds,
            "POOLED": embedding.pooled,
            "CUT": np.array([embedding.cut], np.int32),
        }

    return run


def _vae(profile: Profile, folder: Path) -> Vae:
    from pawfect.flux.vae import Vae

    settings = profile.flux
    assert settings is not None
    return Vae.load(folder, device=settings.device, dtype=settings.dtype, tile_px=settings.tile_px)


def _vae_encoder(profile: Profile, folder: Path) -> Run:
    vae = _vae(profile, folder)

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        prefill = inputs.get("PREFILL")
        encoded = vae.encode(
            inputs["IMAGE"].astype(np.uint8, copy=False),
            inputs["MASK"].astype(np.uint8, copy=False),
            int(inputs["SEED"][0]),
            None if prefill is None else prefill.astype(np.uint8, copy=False),
        )
        outputs: dict[str, Array] = {"LATENTS": encoded.latents, "CONDITION": encoded.condition}
        if encoded.prior is not None:
            outputs["PRIOR"] = encoded.prior
        return outputs

    return run


def _vae_decoder(profile: Profile, folder: Path) -> Run:
    vae = _vae(profile, folder)

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        rows, columns = (int(number) for number in inputs["GRID"])
        latents = inputs["LATENTS"].astype(np.float32, copy=False)
        return {"IMAGE": vae.decode(latents, (rows, columns))}

    return run


def _sam3(profile: Profile, folder: Path) -> Run:
    from pawfect.scene.sam3 import SurfaceLabeller
    from pawfect.scene.vocabulary import load_vocabulary

    settings = profile.sam3
    assert settings is not None
    labeller = SurfaceLabeller.load(
        folder, device=settings.device, dtype=settings.dtype, vocabulary=load_vocabulary()
    )

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        labels = labeller.label(
            inputs["IMAGE"].astype(np.uint8, copy=False),
            inputs["RING"].astype(np.uint8, copy=False),
            least=settings.least_score,
        )
        return {
            "LABELS": text_tensor(*labels.names),
            "SCORES": labels.scores,
            "COVERAGE": labels.coverage,
        }

    return run


def _florence2(profile: Profile, folder: Path) -> Run:
    from pawfect.scene.florence2 import Captioner

    settings = profile.florence2
    assert settings is not None
    captioner = Captioner.load(
        folder, device=settings.device, dtype=settings.dtype, max_tokens=settings.max_tokens
    )

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        (task,) = read_texts("TASK", inputs["TASK"])
        text = captioner.caption(
            inputs["IMAGE"].astype(np.uint8, copy=False),
            inputs["RING"].astype(np.uint8, copy=False),
            task,
            time_limit_s=settings.timeout_ms / 1000,
        )
        return {"TEXT": text_tensor(text)}

    return run


_LOADERS: Mapping[str, Callable[[Profile, Path], Run]] = MappingProxyType(
    {
        "sam3_labeling": _sam3,
        "florence2": _florence2,
        "flux_text_encoder": _text_encoder,
        "flux_vae_encoder": _vae_encoder,
        "flux_vae_decoder": _vae_decoder,
    }
)
