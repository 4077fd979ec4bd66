"""A transformer from its files: as published, as GGUF, or quantised here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from pawfect.diffusion.gguf import Published, config_folder, load_gguf
from pawfect.diffusion.quantised.loading import AS_STORED, prepare
from pawfect.weights.checkpoint import load_strict, read_tensors, torch_dtype

# diffusers' name of a module's files.
STEM: Final = "diffusion_pytorch_model"


def load_transformer(
    folder: Path,
    build: Callable[[Path], Any],
    published: Published,
    *,
    device: str,
    dtype: str,
    apart: Callable[[Any], tuple[str, ...]] | None = None,
) -> tuple[Any, str]:
    """Load the `transformer` of a folder, or the GGUF file in it.

    Args:
        folder: of the whole model, as published; one with a `*.gguf` file goes to
            `pawfect.diffusion.gguf`, files with a recipe in their metadata to
            `pawfect.diffusion.quantised`.
        build: returns the module of a folder with its config.json, without weights.
        published: how a GGUF file names its tensors.
        device: cpu or cuda.
        dtype: float32, float16 or bfloat16, of the computation.
        apart: returns the submodules, by path, whose weights stay on the CPU as they are stored.

    Returns:
        The module, filled, and what computes its blocks' linear layers: `plain`, or a scheme of
        quantisation and the kernels in force.

    Raises:
        PawfectError: UNAVAILABLE where a file is missing, damaged or another model's.
    """
    if any(folder.glob("*.gguf")):
        module = build(config_folder(folder))
        load_gguf(folder, module, published, device=device, dtype=dtype, apart=apart)
        return module, "GGUF by diffusers"
    inner = folder / "transformer"
    module = build(inner)
    tensors = read_tensors(inner, STEM)
    computed = torch_dtype(dtype)
    arithmetic = prepare(module, inner, STEM, device, computed)
    load_strict(
        module,
        tensors,
        "transformer",
        device=device,
        dtype=computed,
        as_stored=AS_STORED,
        apart=apart(module) if apart else (),
    )
    return module, arithmetic
