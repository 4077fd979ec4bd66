"""Quantised modules: a published one, a LoRA fused into it, layer by layer into safetensors.

One layer and one file's worth of finished tensors are in memory at a time; the source is mapped.
The same input gives the same bytes.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError

from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect.diffusion.quantised.scheme import (
    Recipe,
    Scheme,
    find_scheme,
    quantised_layers,
    settings,
)
from pawfect.diffusion.quantised.sizes import stored_bytes
from pawfect.weights.checkpoint import check_strict
from pawfect.weights.reading import unusable
from pawfect_export.lora import Update, read_lora
from pawfect_export.progress import Say, in_words, silent
from pawfect_export.quantisable import find_module
from pawfect_export.writing import write_parts

# Largest file: what is held before it is written.
PART_BYTES: Final = 2 * 10**9
# Of what is not quantised: 11 bits of mantissa, where bfloat16, as published, has 8.
PLAIN: Final = torch.float16

Shapes = Mapping[str, tuple[int, ...]]


def build(
    folder: Path,
    source: Path,
    lora: Path | None = None,
    *,
    scheme: str,
    component: str = "transformer",
    lora_scale: float = 1.0,
    identities: tuple[str, ...] = (),
    say: Say = silent,
    part_bytes: int = PART_BYTES,
) -> None:
    """Write one component's folder with quantised weights and its config.

    What else a text encoder's loader reads, its tokenizer, it takes from the whole model's folder.

    Args:
        folder: exists; gets nothing else.
        source: of a whole model, or of the component alone.
        lora: has the file of a LoRA that is fused first, in float32; None: none is.
        scheme: one of SCHEMES.
        component: `transformer` or `text_encoder`, of a class of `quantisable.MODULES`.
        lora_scale: factor of the LoRA, above 0.
        identities: of the source and the LoRA, for the recipe; empty: their folders' names.
        say: is told how it goes.
        part_bytes: largest file, unless one tensor is larger.

    Raises:
        PawfectError: INVALID_ARG for an unknown scheme or scale and a LoRA of a text encoder,
            UNAVAILABLE for a damaged source or LoRA, for weights that are too large for float16,
            and for a full disk.
    """
    chosen = find_scheme(scheme)
    if not 0 < lora_scale < math.inf:
        raise invalid("lora_scale", "above 0", lora_scale)
    inner = source / component
    kind = find_module(inner)
    module = kind.build(inner)
    tensors = kind.read(inner, module)
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    check_strict(module, shapes, source.name)
    updates: dict[str, Update] = {}
    if lora and kind.published is None:
        raise invalid("lora", "none, of a text encoder", lora.name)
    if lora and kind.published:
        updates = read_lora(lora, module, kind.published, kind.widened)
    names = list(identities or [f.name for f in (source, lora) if f])
    recipe = Recipe(
        scheme,
        *settings(scheme),
        source=names[0],
        lora=names[1] if lora else "",
        lora_scale=lora_scale if lora else 0.0,
        version=version("pawfect"),
    )
    layers = {f"{name}.weight" for name in quantised_layers(module, scheme)}
    target = folder / component
    target.mkdir()
    _check_space(folder, _size(chosen, shapes, layers))
    made = _made(tensors, updates, layers, chosen, lora_scale, inner)
    try:
        shutil.copyfile(inner / "config.json", target / "config.json")
        batches = _batches(made, scheme, part_bytes, say)
        write_parts(target, kind.stem, batches, recipe.metadata())
    except (OSError, SafetensorError) as error:
        said = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise PawfectError(
            ErrorKind.UNAVAILABLE, f"weights: expected to write {scheme} weights, got: {said}"
        ) from None


def _made(
    tensors: Mapping[str, torch.Tensor],
    updates: Mapping[str, Update],
    layers: set[str],
    scheme: Scheme,
    lora_scale: float,
    source: Path,
) -> Iterator[dict[str, torch.Tensor]]:
    """Yield what becomes of each of the source's tensors, by name, in order."""
    for name in sorted(tensors):
        value = tensors[name]
        if name in updates:
            value = updates[name].of(value, lora_scale)
        if not torch.isfinite(value).all():
            raise unusable(source, f"{name}: expected finite weights, got others")
        if name in layers:
            stem = name.removesuffix("weight")
            yield {stem + leaf: part for leaf, part in scheme.quantise(value).items()}
        else:
            half = value.to(PLAIN)
            if not torch.isfinite(half).all():
                raise unusable(source, f"{name}: expected weights that float16 holds")
            yield {name: half}


def _batches(
    made: Iterator[dict[str, torch.Tensor]], scheme: str, part_bytes: int, say: Say
) -> Iterator[dict[str, torch.Tensor]]:
    """Yield what was made, gathered into one file's worth of at most so many bytes."""
    total = held = 0
    batch: dict[str, torch.Tensor] = {}
    for tensors in made:
        size = sum(tensor.nbytes for tensor in tensors.values())
        if batch and held + size > part_bytes:
            yield batch
            say(f"{scheme}: {in_words(total)} made")
            batch, held = {}, 0
        batch |= {name: tensor.contiguous() for name, tensor in tensors.items()}
        held, total = held + size, total + size
    yield batch


def _size(scheme: Scheme, shapes: Shapes, layers: set[str]) -> int:
    """Return the bytes of all tensors once made."""
    plain = (math.prod(shape) * PLAIN.itemsize for n, shape in shapes.items() if n not in layers)
    return sum(plain) + sum(stored_bytes(scheme.name, *shapes[name]) for name in layers)


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise PawfectError(
            ErrorKind.UNAVAILABLE,
            f"weights: expected {in_words(needed)} of free disk space, got {in_words(free)}; "
            "free some, or choose another disk with PAWFECT_WEIGHTS",
        )
