"""The models at two scales: full size on a GPU, and the same steps small on a CPU for tests.

They are built in memory from a seed: at full size no disk and no network could give them.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import torch
from diffusers.pipelines.flux.pipeline_flux_fill import FluxFillPipeline

from pawfect.contract.tensors import Array
from pawfect.diffusion.transformer import ChainTransformer
from pawfect.flux.text import TextEncoder
from pawfect.flux.transformer import Transformer
from pawfect.flux.vae import Vae
from pawfect.profile import Profile, load_profile
from pawfect.serving import BatchFunction, load_batch
from pawfect.weights import published
from pawfect.weights.checkpoint import torch_dtype
from pawfect_export.tiny import flux as tiny
from perf.diffusion.memory import GIB
from perf.diffusion.product import SEED, OneFolder, Product
from perf.diffusion.transformers import config_of

NOWHERE: Final = Path("nowhere")
# That are shown pictures.
CHAINS: Final = ("klein", "edit")


@dataclass(frozen=True)
class Scale:
    """How large everything is.

    Attributes:
        device: cuda or cpu.
        dtype: of the unquantised models.
        half: of the quantised ones.
        configs: of the modules transformer, vae, text_encoder and text_encoder_2.
        whole_px: both sides of the pipeline's picture.
        whole_tokens: its text tokens.
        windows: working sizes of `inpaint`, px, the largest first.
        tokens: its text tokens.
        photo: width and height of the reference scene, px.
        whole_steps: of the pipeline.
        own_steps: of `inpaint`.
        repeats: timed runs whose median counts, after one that does not.
        backend: of torch.compile; `eager` traces alone.
        rows: of each quantised layer that are drawn; the rest of the layer repeats them.
        chain_configs: of the transformers of klein and edit.
        chain_px: sides of their pictures.
        chain_tokens: of their texts: klein's are padded; Qwen-Image-Edit's have those of a picture
            among them.
    """

    device: str
    dtype: str
    half: str
    configs: Mapping[str, Mapping[str, Any]]
    whole_px: int
    whole_tokens: int
    windows: tuple[int, ...]
    tokens: int
    photo: tuple[int, int]
    whole_steps: int
    own_steps: int
    repeats: int
    backend: str
    rows: int
    chain_configs: Mapping[str, Mapping[str, Any]]
    chain_px: Mapping[str, tuple[int, ...]]
    chain_tokens: Mapping[str, int]


def seconds(scale: Scale, work: Callable[[], object]) -> dict[str, Any]:
    """Return the median and each of some runs of work, s, the device's own work included."""
    each = []
    for _ in range(scale.repeats):
        start = time.perf_counter()
        work()
        if scale.device == "cuda":
            torch.cuda.synchronize()
        each.append(round(time.perf_counter() - start, 6))
    return {"median_s": statistics.median(each), "each_s": each}


def reset_peaks(scale: Scale) -> None:
    """Begin to count the peaks of GPU memory anew."""
    if scale.device == "cuda":
        torch.cuda.reset_peak_memory_stats()


def peaks(scale: Scale) -> dict[str, float]:
    """Return the peaks of GPU memory since they were reset, GiB."""
    if scale.device != "cuda":
        return {}
    stats = torch.cuda.memory_stats()
    kinds = ("allocated", "reserved")
    return {f"peak_{kind}_gib": round(stats[f"{kind}_bytes.all.peak"] / GIB, 3) for kind in kinds}


def full() -> Scale:
    """Return the published sizes, on a GPU."""
    modules = {
        "transformer": "flux_transformer",
        "vae": "flux_vae",
        "text_encoder": "clip_text_encoder",
        "text_encoder_2": "t5_text_encoder",
    }
    configs = {name: dict(published.read(entry).config) for name, entry in modules.items()}
    return Scale(
        "cuda", "bfloat16", "float16", configs, 1024, 512, (768, 512), 128, (1600, 1200),
        28, 8, 3, "inductor", 512, {name: config_of(name) for name in CHAINS},
        {"klein": (768, 1024), "edit": (1024,)}, {"klein": 512, "edit": 256},
    )  # fmt: skip


def small() -> Scale:
    """Return everything small, on a CPU: every step runs, no figure means anything."""
    configs: dict[str, dict[str, Any]] = {
        "transformer": dict(tiny.TRANSFORMER),
        "vae": dict(tiny.VAE),
        "text_encoder": {**tiny.CLIP, "vocab_size": 1000},
        "text_encoder_2": {**tiny.T5, "vocab_size": 1000},
    }
    return Scale(
        "cpu", "float32", "float32", configs, 64, 16, (96, 64), 8, (88, 66), 3, 2, 1, "eager", 64,
        {name: config_of(name, tiny=True) for name in CHAINS}, {"klein": (64, 96), "edit": (64,)},
        {"klein": 16, "edit": 12},
    )  # fmt: skip


def build(scale: Scale) -> Any:
    """Return FluxFillPipeline on the scale's device, each module as its class initialises it."""
    load: Any = FluxFillPipeline.from_pretrained
    with tempfile.TemporaryDirectory() as folder:
        # Tokenizers of a small vocabulary: what is timed is the encoders.
        tiny.build(Path(folder), SEED)
        pipe = load(folder, local_files_only=True)
    torch.manual_seed(SEED)
    with defaults(scale.device, scale.dtype):
        for name, config in scale.configs.items():
            kind: Any = type(getattr(pipe, name))
            if name.startswith("text_encoder"):
                module = kind(kind.config_class.from_dict(dict(config)))
            else:
                module = kind.from_config(dict(config))
            pipe.register_modules(**{name: module.requires_grad_(False).eval()})
    return pipe


def product_of(pipe: Any, scale: Scale, window: int) -> Product:
    """Return `inpaint` over the pipeline's modules at one working size.

    The server's own functions; only what their loaders read from disk is in memory already.
    """
    with _loaded(pipe, scale):
        return Product.load("flux", NOWHERE, profile_of(scale, window, scale.dtype))


def batched_step(pipe: Any, scale: Scale) -> BatchFunction:
    """Return the server's own batched step over the pipeline's transformer."""
    profile = profile_of(scale, scale.windows[0], scale.dtype)
    with _loaded(pipe, scale):
        return load_batch("flux_transformer", profile, OneFolder(NOWHERE))


def capped_product(
    transformer: ChainTransformer, vae: Any, scale: Scale, window: int, text: dict[str, Array]
) -> Product:
    """Return `inpaint` over a quantised transformer.

    Args:
        transformer: as a loader would give it.
        vae: in half precision.
        scale: for sizes.
        window: working size, px.
        text: embeddings, as the response cache has them for a known prompt: where 16 GB are all
            there is, T5 is not on the card.
    """
    t4 = load_profile("t4").flux
    assert t4 is not None
    with in_place_of_files({Vae: Vae(vae, t4.tile_px), Transformer: transformer}):
        profile = profile_of(scale, window, scale.half)
        return Product.load("flux", NOWHERE, profile, {"flux_text_encoder": lambda *_: dict(text)})


def profile_of(scale: Scale, window: int, dtype: str) -> Profile:
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


def _loaded(pipe: Any, scale: Scale) -> Any:
    encoders = (pipe.text_encoder, pipe.text_encoder_2, pipe.tokenizer, pipe.tokenizer_2)
    return in_place_of_files(
        {
            TextEncoder: TextEncoder(*encoders, scale.tokens),
            Vae: Vae(pipe.vae, 0),
            Transformer: Transformer(pipe.transformer, scale.device, torch_dtype(scale.dtype)),
        }
    )


@contextmanager
def in_place_of_files(parts: Mapping[type, Any]) -> Iterator[None]:
    """Let loaders take these parts by their class for what they would read."""
    with ExitStack() as stack:
        for kind, part in parts.items():
            stack.enter_context(patch.object(kind, "load", lambda *a, _part=part, **k: _part))
        yield


@contextmanager
def defaults(device: str, dtype: str) -> Iterator[None]:
    """Make new tensors of this dtype on this device while the block runs."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch_dtype(dtype))
    try:
        with torch.device(device):
            yield
    finally:
        torch.set_default_dtype(before)
