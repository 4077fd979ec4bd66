"""The models, built in memory from a seed: at full size no disk and no network could give them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from diffusers.pipelines.flux.pipeline_flux_fill import FluxFillPipeline
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel
from transformers.models.clip.tokenization_clip import CLIPTokenizer
from transformers.models.t5.configuration_t5 import T5Config
from transformers.models.t5.modeling_t5 import T5EncoderModel
from transformers.models.t5.tokenization_t5 import T5Tokenizer

from pawfect.flux.schedule import Schedule
from pawfect.flux.text import TextEncoder
from pawfect.flux.transformer import Transformer
from pawfect.flux.vae import Vae
from pawfect.orchestrator import Deployment
from pawfect.profile import Profile, load_profile
from pawfect.serving import BatchFunction, Function, load_batch, load_function, one_by_one
from pawfect_export.tiny.flux import SCHEDULER
from pawfect_export.tiny.flux_tokenizers import build_clip_tokenizer, build_t5_tokenizer
from perf.flux.gpu.scale import Scale, torch_type
from perf.flux.versus.checkpoint import OneFolder
from perf.flux.versus.sides import BESIDES, Product

SEED: Final = 0


@dataclass
class Models:
    """FLUX-Fill's modules with random weights, on one device."""

    transformer: Any
    vae: Any
    clip: Any
    t5: Any
    clip_tokenizer: Any
    t5_tokenizer: Any


def build(scale: Scale) -> Models:
    """Build all modules on the scale's device, each as its class initialises itself."""
    torch.manual_seed(SEED)
    configs = scale.configs
    with defaults(scale.device, scale.dtype):
        transformer = FluxTransformer2DModel.from_config(dict(configs["transformer"]))
        vae = AutoencoderKL.from_config(dict(configs["vae"]))
        clip: Any = CLIPTextModel(CLIPTextConfig.from_dict(dict(configs["text_encoder"])))
        t5: Any = T5EncoderModel(T5Config.from_dict(dict(configs["text_encoder_2"])))
    with tempfile.TemporaryDirectory() as folder:
        # A small vocabulary of their own: what is timed is the encoders.
        for name, make in (("clip", build_clip_tokenizer), ("t5", build_t5_tokenizer)):
            make(Path(folder) / name)
        load_clip: Any = CLIPTokenizer.from_pretrained
        load_t5: Any = T5Tokenizer.from_pretrained
        tokenizers = load_clip(Path(folder) / "clip"), load_t5(Path(folder) / "t5")
    for module in (transformer, vae, clip, t5):
        module.requires_grad_(False).eval()
    return Models(transformer, vae, clip, t5, *tokenizers)


def pipeline_of(models: Models) -> Any:
    """Return diffusers' FluxFillPipeline over the modules."""
    scheduler: Any = FlowMatchEulerDiscreteScheduler.from_config(dict(SCHEDULER))
    pipe: Any = FluxFillPipeline(
        scheduler=scheduler,
        vae=models.vae,
        text_encoder=models.clip,
        tokenizer=models.clip_tokenizer,
        text_encoder_2=models.t5,
        tokenizer_2=models.t5_tokenizer,
        transformer=models.transformer,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def product_of(models: Models, scale: Scale, window: int) -> tuple[Product, BatchFunction]:
    """Return `inpaint` over the modules at one working size, and the batched step.

    The server's own functions; only what their loaders read from disk is in memory already.
    """
    profile = _profile(scale, window, scale.dtype)
    parts = {
        TextEncoder: TextEncoder(
            models.clip, models.t5, models.clip_tokenizer, models.t5_tokenizer, scale.tokens
        ),
        Vae: Vae(models.vae, 0),
        Transformer: Transformer(models.transformer, scale.device, torch_type(scale.dtype)),
    }
    with _in_place_of_files(parts):
        return _served(profile, {})


def capped_product(
    transformer: Transformer, vae: Any, scale: Scale, window: int, text: Function
) -> Product:
    """Return `inpaint` over a quantised transformer.

    Args:
        transformer: as a loader would give it.
        vae: in half precision.
        scale: for sizes.
        window: working size, px.
        text: gives embeddings, as the response cache does for a known prompt: where 16 GB are all
            there is, T5 is not on the card.
    """
    profile = _profile(scale, window, scale.half)
    tile = load_profile("t4").flux
    assert tile is not None
    parts = {Vae: Vae(vae, tile.tile_px), Transformer: transformer}
    with _in_place_of_files(parts):
        return _served(profile, {"flux_text_encoder": text})[0]


def _served(profile: Profile, given: Mapping[str, Function]) -> tuple[Product, BatchFunction]:
    store = OneFolder(Path("nowhere"))
    batch = load_batch("flux_transformer", profile, store)
    threads = torch.get_num_threads()
    loaded = {n: load_function(n, profile, store) for n in BESIDES if n not in given}
    torch.set_num_threads(threads)
    deployment = Deployment(
        profile, Schedule.from_config(dict(SCHEDULER)), {"flux": f"random, seed {SEED}"}
    )
    functions = {**loaded, **given, "flux_transformer": one_by_one(batch)}
    return Product(deployment, functions), batch


def _profile(scale: Scale, window: int, dtype: str) -> Profile:
    """Return the h200 profile at one working size, its labels given, its check left out.

    Of random weights the check would always ask for a second seed.
    """
    profile = load_profile("h200")
    assert profile.flux is not None
    config = scale.configs
    flux = replace(
        profile.flux,
        device=scale.device,
        dtype=dtype,
        text_device=scale.device,
        text_dtype=dtype,
        text_tokens=scale.tokens,
        text_width=config["transformer"]["joint_attention_dim"],
        pooled_width=config["transformer"]["pooled_projection_dim"],
        sizes=(window,),
        steps=scale.own_steps,
        tile_px=0,
        modulation="layers",
    )
    return replace(profile, flux=flux, sam3=None, florence2=None, check=None)


@contextmanager
def _in_place_of_files(parts: Mapping[type, Any]) -> Iterator[None]:
    with ExitStack() as stack:
        for kind, part in parts.items():
            stack.enter_context(patch.object(kind, "load", lambda *a, _part=part, **k: _part))
        yield


@contextmanager
def defaults(device: str, dtype: str) -> Iterator[None]:
    """Make new tensors of this dtype on this device while the block runs."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch_type(dtype))
    try:
        with torch.device(device):
            yield
    finally:
        torch.set_default_dtype(before)
