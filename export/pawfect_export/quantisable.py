"""The modules that are quantised here: how each is built and read, and its names in LoRAs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import torch

from pawfect.diffusion.gguf import Published
from pawfect.diffusion.transformer_files import STEM
from pawfect.flux import gguf as flux_gguf
from pawfect.flux import transformer_module as flux
from pawfect.klein import gguf as klein_gguf
from pawfect.klein import text as klein_text
from pawfect.klein import transformer as klein
from pawfect.qwen import gguf as qwen_gguf
from pawfect.qwen import text as qwen_text
from pawfect.qwen import transformer as qwen
from pawfect.weights.checkpoint import read_tensors
from pawfect.weights.reading import read_json, unusable


@dataclass(frozen=True)
class Quantisable:
    """A module that is quantised here.

    Attributes:
        build: returns it, without weights, of its folder.
        read: returns its tensors by its own names, views of the mapped files, of its folder and
            the module.
        stem: of its files.
        published: its layers' names in GGUF files and in LoRAs; None: there are none of it.
        widened: the weight whose input is wider than that of the model that LoRAs are trained on,
            what was there first; empty: none is.
    """

    build: Callable[[Path], Any]
    read: Callable[[Path, Any], dict[str, torch.Tensor]] = lambda folder, _: read_tensors(
        folder, STEM
    )
    stem: str = STEM
    published: Published | None = None
    widened: str = ""


# By the class that config.json names.
MODULES: Final[Mapping[str, Quantisable]] = MappingProxyType(
    {
        "FluxTransformer2DModel": Quantisable(
            lambda folder: flux.build_module(folder, flux.FILL),
            published=flux_gguf.PUBLISHED,
            # Latents first, then the condition, of which a LoRA that was trained on FLUX.1-dev
            # knows nothing (diffusers pads it with zeros too).
            widened="x_embedder.weight",
        ),
        "Flux2Transformer2DModel": Quantisable(klein.build_module, published=klein_gguf.PUBLISHED),
        "QwenImageTransformer2DModel": Quantisable(
            qwen.build_module, published=qwen_gguf.PUBLISHED
        ),
        "Qwen3ForCausalLM": Quantisable(
            klein_text.build_encoder, klein_text.read_encoder, stem=klein_text.STEM
        ),
        "Qwen2_5_VLForConditionalGeneration": Quantisable(
            qwen_text.build_encoder,
            lambda folder, _: qwen_text.read_encoder(folder),
            stem=qwen_text.STEM,
        ),
    }
)


def find_module(folder: Path) -> Quantisable:
    """Return what the module of a folder's config.json is.

    Raises:
        PawfectError: UNAVAILABLE where it is missing, damaged, or of a class not known here.
    """
    config = read_json(folder, "config.json")
    named = config.get("_class_name") or config.get("architectures")
    name = named[0] if isinstance(named, list) and named else named
    if name not in MODULES:
        raise unusable(folder, f"config.json: expected one of {', '.join(MODULES)}, got {name}")
    return MODULES[str(name)]
