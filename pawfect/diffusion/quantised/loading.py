"""Quantised weights into the module: recognised by their metadata, loaded strictly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import safetensors
import torch

from pawfect.diffusion.quantised.integer import IntegerLinear
from pawfect.diffusion.quantised.kernels import choose_kernels
from pawfect.diffusion.quantised.scheme import AS_STORED, SCHEMES, Recipe, with_layers
from pawfect.diffusion.quantised.sizes import METADATA_KEY
from pawfect.weights.reading import unusable

__all__ = ["AS_STORED", "prepare", "read_recipe"]


def read_recipe(folder: Path, stem: str) -> Recipe | None:
    """Return the recipe that all files of a checkpoint carry, None where none carries one.

    Args:
        folder: of the module.
        stem: as `read_tensors` takes it; the files are known to be whole.

    Raises:
        PawfectError: UNAVAILABLE for a recipe that is not understood, and for files of several.
    """
    texts = set()
    for path in sorted(folder.glob(f"{stem}*.safetensors")):
        opened: Any = safetensors.safe_open(path, framework="pt")
        with opened as file:
            texts.add((file.metadata() or {}).get(METADATA_KEY))
    if texts <= {None}:
        return None
    if len(texts) > 1:
        raise unusable(folder, f"expected files of one recipe, got {len(texts)} different ones")
    try:
        return Recipe.parse(str(texts.pop()))
    except (TypeError, ValueError) as error:
        raise unusable(folder, f"recipe: {str(error).partition(chr(10))[0]}") from None


def prepare(
    module: torch.nn.Module, folder: Path, stem: str, device: str, dtype: torch.dtype
) -> str:
    """Give a module the unfilled layers that a checkpoint's recipe asks for, and their kernels.

    Args:
        module: plain, on the meta device; stays so where the checkpoint has no recipe.
        folder: of the checkpoint.
        stem: as `read_recipe` takes it.
        device: "cpu" or "cuda", where the module will run.
        dtype: in which it computes.

    Returns:
        What computes the blocks' linear layers: `plain`, or the scheme and the kernels in force.

    Raises:
        PawfectError: UNAVAILABLE as `read_recipe` does.
    """
    recipe = read_recipe(folder, stem)
    if recipe is None:
        return "plain"
    layers = with_layers(module, SCHEMES[recipe.scheme], dtype)
    kernels = choose_kernels(device)
    integer = [layer for layer in layers if isinstance(layer, IntegerLinear)]
    for layer in integer:
        layer.kernels = kernels
    return f"{recipe.scheme} by {kernels.name if integer else 'diffusers'}"
