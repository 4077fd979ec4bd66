"""LoRAs for transformers: read in the formats they are published in, added to their weights.

Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (2021): W + scale (alpha / r) B A.
Files name their matrices after diffusers' layers (peft, Qwen-Image-Lightning) or after the model's
authors', with dots (ComfyUI) or with underscores (kohya-ss/sd-scripts). peft itself is not needed
for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from pawfect.diffusion.gguf import Published, own_rows
from pawfect.weights.checkpoint import read_file
from pawfect.weights.reading import unusable

_DOWN: Final = ("lora_A.weight", "lora_A.default.weight", "lora_down.weight", "lora.down.weight")
_UP: Final = ("lora_B.weight", "lora_B.default.weight", "lora_up.weight", "lora.up.weight")
_PREFIXES: Final = ("transformer.", "diffusion_model.", "lora_unet_")


@dataclass(frozen=True)
class Update:
    """What a LoRA adds to one weight.

    Attributes:
        up: floating [N, r].
        down: floating [r, K].
        alpha: numerator of alpha / r.
    """

    up: torch.Tensor
    down: torch.Tensor
    alpha: float

    def of(self, weight: torch.Tensor, scale: float) -> torch.Tensor:
        """Return the weight [N, K] with the update, float32."""
        factor = scale * self.alpha / self.down.shape[0]
        added = self.up.float() @ self.down.float()
        result = weight.float().clone()
        result[:, : added.shape[1]] += factor * added
        return result


def read_lora(
    folder: Path, module: Any, published: Published, widened: str = ""
) -> dict[str, Update]:
    """Read the one LoRA file of a folder.

    Args:
        folder: holds one `*.safetensors`, at any depth, as published.
        module: the transformer, on any device, the meta device too.
        published: how its authors name its tensors.
        widened: the weight whose input may be wider here than in the LoRA, which then adds to its
            first columns; empty: none.

    Returns:
        Updates by the name of diffusers' weight.

    Raises:
        PawfectError: UNAVAILABLE where the file is missing or damaged, names layers that the
            transformer does not have, or has matrices that do not fit.
    """
    files = sorted(folder.rglob("*.safetensors"))
    if len(files) != 1:
        got = ", ".join(file.name for file in files) or "none"
        raise unusable(folder, f"expected one LoRA file, got {got}")
    layers = _layers(folder, read_file(files[0]))
    shapes = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    names = _names(shapes, published.parts(module))
    unknown = [stem for stem in layers if stem not in names]
    if unknown:
        kind = type(module).__name__
        raise unusable(folder, f"expected layers of a {kind}, got {unknown[0]}")
    updates: dict[str, Update] = {}
    for stem, update in layers.items():
        name, own = names[stem]
        counts = [shapes[weight][0] for weight in own]
        width = shapes[own[0]][1]
        if own == (widened,):
            width = min(width, update.down.shape[1])
        shape = [update.up.shape[0], update.down.shape[1]]
        if shape != [sum(counts), width]:
            raise unusable(folder, f"{stem}: expected [{sum(counts)}, {width}], got {shape}")
        rows = own_rows(update.up, counts, swapped=published.swapped(name))
        parts = {w: Update(up, update.down, update.alpha) for w, up in zip(own, rows, strict=True)}
        if twice := sorted(updates.keys() & parts.keys()):
            raise unusable(folder, f"expected each layer once, got {twice[0]} twice")
        updates |= parts
    return updates


def _layers(folder: Path, tensors: Mapping[str, torch.Tensor]) -> dict[str, Update]:
    """Return the matrices by the layer's name as the file has it, without its prefix."""
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        bare = next((name.removeprefix(p) for p in _PREFIXES if name.startswith(p)), name)
        roles = {"down": _DOWN, "up": _UP, "alpha": ("alpha",)}
        for role, endings in roles.items():
            ending = next((e for e in endings if bare.endswith(f".{e}")), None)
            if ending:
                parts.setdefault(bare[: -len(ending) - 1], {})[role] = tensor
                break
        else:
            raise unusable(folder, f"expected a LoRA's matrices, got {name}")
    updates = {}
    for stem, found in parts.items():
        if "up" not in found or "down" not in found or found["up"].ndim != 2:
            raise unusable(folder, f"{stem}: expected both matrices of a linear layer")
        if found["up"].shape[1] != found["down"].shape[0]:
            ranks = f"{found['up'].shape[1]} and {found['down'].shape[0]}"
            raise unusable(folder, f"{stem}: expected one rank, got {ranks}")
        alpha = float(found["alpha"]) if "alpha" in found else float(found["down"].shape[0])
        updates[stem] = Update(found["up"], found["down"], alpha)
    return updates


def _names(
    shapes: Mapping[str, tuple[int, ...]], parts: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return by a layer's name, in any of the formats, its tensor's name and the weights it holds.

    diffusers' name of a tensor means its own rows, also where the authors have a tensor of that
    name: then they are the same.
    """
    named: dict[str, tuple[str, tuple[str, ...]]] = {}
    for name, own in (*parts.items(), *((name, (name,)) for name in shapes)):
        if name.endswith(".weight") and all(len(shapes[part]) == 2 for part in own):
            stem = name.removesuffix(".weight")
            named[stem] = named[stem.replace(".", "_")] = (name, own)
    return named
