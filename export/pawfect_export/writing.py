"""Weights' files as the libraries that read them lay them out: JSON, and safetensors in parts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file


def write_json(path: Path, content: Mapping[str, Any], **how: Any) -> None:
    """Write one JSON file, its folder made; `how` goes to `json.dumps`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(dict(content), **{"indent": 2, "ensure_ascii": False, **how})
    path.write_text(text + "\n", "utf-8")


def write_parts(
    folder: Path,
    stem: str,
    parts: Iterable[dict[str, torch.Tensor]],
    metadata: dict[str, str],
    count: int | None = None,
) -> None:
    """Write tensors as `STEM-00001.safetensors` and so on, and the index that names them.

    Args:
        folder: of one module.
        stem: `model` (transformers) or `diffusion_pytorch_model` (diffusers).
        parts: tensors by name, one file each; one part is held at a time.
        metadata: of each file.
        count: of the parts, where their names say it, as `save_pretrained`'s do.
    """
    placed: dict[str, str] = {}
    total = 0
    of = f"-of-{count:05}" if count else ""
    for number, part in enumerate(parts, 1):
        name = f"{stem}-{number:05}{of}.safetensors"
        save_file(part, folder / name, metadata=metadata)
        placed |= dict.fromkeys(part, name)
        total += sum(tensor.nbytes for tensor in part.values())
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(placed.items()))}
    write_json(folder / f"{stem}.safetensors.index.json", index)


def write_weights(
    folder: Path, stem: str, weights: Mapping[str, torch.Tensor], parts: int = 1
) -> None:
    """Write one safetensors file, or so many with an index, as `save_pretrained` names them."""
    if parts == 1:
        save_file(dict(weights), folder / f"{stem}.safetensors", metadata={"format": "pt"})
        return
    names = sorted(weights)
    share = math.ceil(len(names) / parts)
    batches = (
        {name: weights[name] for name in names[start : start + share]}
        for start in range(0, len(names), share)
    )
    write_parts(folder, stem, batches, {"format": "pt"}, parts)


def random_weights(module: torch.nn.Module, generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Return bfloat16 weights, as published, that keep activations near unit size."""
    return {
        name: random_weight(name, like.shape, generator).to(torch.bfloat16)
        for name, like in sorted(module.state_dict().items())
    }


def random_weight(name: str, shape: Iterable[int], generator: torch.Generator) -> torch.Tensor:
    """Return a tensor's float32 weights, random, that keep activations near unit size."""
    values = torch.randn(tuple(shape), generator=generator)
    if values.ndim > 1:
        return values.div_(math.sqrt(values[0].numel()))
    # Of one dimension are norms' weights, and biases.
    return 1 + 0.1 * values if name.endswith("weight") else 0.1 * values
