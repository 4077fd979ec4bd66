"""FLUX's transformer from its files: as published, as GGUF, or quantised here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pawfect.diffusion.quantised.loading import AS_STORED, prepare
from pawfect.flux.gguf import load_transformer
from pawfect.flux.modulation import Modulation
from pawfect.flux.transformer_module import FILL, STEM, build_module
from pawfect.weights.checkpoint import load_strict, read_tensors, torch_dtype


def load_module(folder: Path, *, device: str, dtype: str, apart: bool) -> tuple[Any, str]:
    """Load the `transformer` of a folder, or the GGUF file in it.

    Args:
        folder: of the whole model, as published; one with a `*.gguf` file goes to
            `pawfect.flux.gguf`, files with a recipe in their metadata to
            `pawfect.diffusion.quantised`.
        device: cpu or cuda.
        dtype: float32, float16 or bfloat16, of the computation.
        apart: whether the weights of the modulation stay on the CPU as they are stored.

    Returns:
        A FluxTransformer2DModel, and what computes its blocks' linear layers, as `Transformer` says
        it.

    Raises:
        PawfectError: UNAVAILABLE where a file is missing, damaged or another model's.
    """
    if any(folder.glob("*.gguf")):
        module = load_transformer(
            folder, device=device, dtype=dtype, apart=Modulation.apart if apart else None
        )
        return module, "GGUF by diffusers"
    folder = folder / "transformer"
    module = build_module(folder, FILL)
    tensors = read_tensors(folder, STEM)
    computed = torch_dtype(dtype)
    arithmetic = prepare(module, folder, STEM, device, computed)
    load_strict(
        module,
        tensors,
        "transformer",
        device=device,
        dtype=computed,
        as_stored=AS_STORED,
        apart=Modulation.apart(module) if apart else (),
    )
    return module, arithmetic
