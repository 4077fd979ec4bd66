"""FLUX's transformer from a quantised GGUF file, with the tensors named as published."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from pawfect.diffusion.gguf import Published, config_folder, load_gguf
from pawfect.flux.published_names import halves_swapped, published_names
from pawfect.flux.transformer_module import build_module


def parts_of(module: Any) -> dict[str, tuple[str, ...]]:
    """Return by published name the module's own tensors that each published one holds."""
    config = module.config
    return published_names(
        config["num_layers"], config["num_single_layers"], guidance=config["guidance_embeds"]
    )


PUBLISHED: Final = Published("flux", parts_of, halves_swapped)


def load_transformer(
    folder: Path,
    *,
    device: str,
    dtype: str,
    apart: Callable[[Any], tuple[str, ...]] | None = None,
) -> Any:
    """Load a FluxTransformer2DModel from a folder's GGUF file; see `load_gguf`."""
    module = build_module(config_folder(folder), {})
    return load_gguf(folder, module, PUBLISHED, device=device, dtype=dtype, apart=apart)
