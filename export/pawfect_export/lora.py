"""LoRAs for FLUX's transformer: read in the formats they are published in, added to its weights.

Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (2021): W + scale (alpha / r) B A.
Files name their matrices after diffusers' layers (peft), after Black Forest Labs' with underscores
(kohya-ss/sd-scripts) or with dots (ComfyUI). peft itself is not needed for that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from pawfect.diffusion.gguf import own_rows
from pawfect.flux.published_names import halves_swapped, published_names
from pawfect.weights.checkpoint import read_file
from pawfect.weights.reading import unusable

_DOWN: Final = ("lora_A.weight", "lora_A.default.weight", "lora_down.weight", "lora.down.weight")
_UP: Final = ("lora_B.weight", "lora_B.default.weight", "lora_up.weight", "lora.up.weight")
_PREFIXES: Final = ("transformer.", "diffusion_model.", "lora_unet_")
# The layer whose input FLUX-Fill widened: latents first, then the condition, of which a LoRA that
# was trained on FLUX.1-dev knows nothing (diffusers pads it with zeros too).
_WIDENED: Final = "x_embedder.weight"


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


def read_lora(folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Update]:
    """Read the one LoRA file of a folder.

    Args:
        folder: holds one `*.safetensors`.
        shapes: of the transformer's tensors by diffusers' names.

    Returns:
        Updates by the name of diffusers' weight.

    Raises:
        PawfectError: UNAVAILABLE where the file is missing or damaged, names layers that the
            transformer does not have, or has matrices that do not fit.
    """
    files = sorted(folder.glob("*.safetensors"))
    if len(files) != 1:
        got = ", ".join(file.name for file in files) or "none"
        raise unusable(folder, f"expected one LoRA file, got {got}")
    layers = _layers(folder, read_file(files[0]))
    names = _names(shapes)
    unknown = [stem for stem in layers if stem not in names]
    if unknown:
        raise unusable(folder, f"expected layers of FLUX's transformer, got {unknown[0]}")
    updates: dict[str, Update] = {}
    for stem, update in layers.items():
        for weight, part in _split(stem, names[stem], update, shapes, folder):
            if weight in updates:
                raise unusable(folder, f"expected each layer once, got {weight} twice")
            updates[weight] = part
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


def _names(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[str, ...]]:
    """Return by a layer's name, in any of the formats, the weights that its rows belong to."""
    names: dict[str, tuple[str, ...]] = {
        name.removesuffix(".weight"): (name,)
        for name, shape in shapes.items()
        if name.endswith(".weight") and len(shape) == 2
    }
    counts = [_count(shapes, kind) for kind in ("transformer_blocks", "single_transformer_blocks")]
    for published, own in published_names(*counts, guidance=True).items():
        if published.endswith(".weight") and all(len(shapes.get(n, ())) == 2 for n in own):
            stem = published.removesuffix(".weight")
            names[stem] = names[stem.replace(".", "_")] = own
    return names


def _count(shapes: Mapping[str, tuple[int, ...]], kind: str) -> int:
    return len({name.split(".")[1] for name in shapes if name.startswith(f"{kind}.")})


def _split(
    stem: str,
    own: tuple[str, ...],
    update: Update,
    shapes: Mapping[str, tuple[int, ...]],
    folder: Path,
) -> Iterator[tuple[str, Update]]:
    """Yield the update of each weight that one published layer's rows belong to."""
    counts = [shapes[weight][0] for weight in own]
    narrow = own == (_WIDENED,) and update.down.shape[1] < shapes[_WIDENED][1]
    width = update.down.shape[1] if narrow else shapes[own[0]][1]
    if (update.up.shape[0], update.down.shape[1]) != (sum(counts), width):
        got = f"[{update.up.shape[0]}, {update.down.shape[1]}]"
        raise unusable(folder, f"{stem}: expected [{sum(counts)}, {width}], got {got}")
    # The last layer's halves are the other way round only under its published name.
    published = stem.replace("final_layer_adaLN_modulation_1", "final_layer.adaLN_modulation.1")
    swapped = halves_swapped(f"{published}.weight")
    rows = own_rows(update.up, counts, swapped=swapped)
    for weight, up in zip(own, rows, strict=True):
        yield weight, Update(up, update.down, update.alpha)
