"""A transformer from a quantised GGUF file, its weights kept quantised.

diffusers' own converters have sizes written in; this one takes every size from the config.
diffusers' GGUF kernels are fetched from a hub and run as remote code: they stay off.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np
import torch

from pawfect.out_of_memory import fitting
from pawfect.weights.checkpoint import check_shapes, is_below, torch_dtype
from pawfect.weights.reading import unusable

# Read by diffusers when the next module is imported.
os.environ["DIFFUSERS_GGUF_CUDA_KERNELS"] = "false"

from diffusers.quantizers.gguf.utils import (
    GGUFLinear,
    GGUFParameter,
    dequantize_functions,
)

# How torch sees the bytes of a type that needs no decoding.
PLAIN: Final = {
    gguf.GGMLQuantizationType.F32: torch.float32,
    gguf.GGMLQuantizationType.F16: torch.float16,
    gguf.GGMLQuantizationType.BF16: torch.bfloat16,
}
# What gguf's reader raises for a file that is cut off or no GGUF at all.
_DAMAGED: Final = (OSError, ValueError, LookupError, TypeError, OverflowError, MemoryError)


class QuantisedLinear(GGUFLinear):
    """A linear layer whose weight is decoded when it is used.

    diffusers' own layer always decodes in fp16; this one decodes in fp32 where it computes in fp32,
    so that it is the layer with the decoded weight to the last digits.
    """

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the layer's output, [..., out_features] in the compute dtype."""
        stored: Any = self.weight
        weight = decoded(stored.as_tensor(), stored.quant_type, self.compute_dtype)
        return torch.nn.functional.linear(inputs, weight, self.bias)

    def decoded_rows(self, begin: int, end: int) -> torch.Tensor:
        """Return rows of the weight, float32 [end - begin, in_features]."""
        stored: Any = self.weight
        return decoded(stored.as_tensor()[begin:end], stored.quant_type, torch.float32)


@dataclass(frozen=True)
class Published:
    """How a transformer's tensors are named in its GGUF files.

    Attributes:
        architecture: as files say it that say one; some converters (stable-diffusion.cpp) write
            none, and then names and shapes decide alone.
        parts: of a module, by published name: the names of the module's own tensors whose rows it
            holds, one below the other.
        swapped: of a published name: whether the two halves of its rows change places.
    """

    architecture: str
    parts: Callable[[Any], dict[str, tuple[str, ...]]]
    swapped: Callable[[str], bool] = lambda name: False


@dataclass(frozen=True)
class _Stored:
    """One tensor of the file: its shape once decoded, its type, and its data, mapped."""

    shape: tuple[int, ...]
    type: gguf.GGMLQuantizationType
    data: Any

    def rows(self) -> torch.Tensor:
        """Return a copy: the values of a plain type, else UINT8 with the blocks of each row."""
        copied = torch.from_numpy(np.array(self.data))
        if self.type == gguf.GGMLQuantizationType.BF16:
            return copied.view(torch.bfloat16)
        return copied


def decoded(
    rows: torch.Tensor, quant_type: gguf.GGMLQuantizationType, dtype: torch.dtype
) -> torch.Tensor:
    """Return the values of quantised rows.

    Args:
        rows: UINT8 [..., bytes of a row].
        quant_type: one that diffusers decodes.
        dtype: of the result. fp32 is decoded in fp32, all else in fp16, GGUF's own precision of
            scales, as diffusers does.
    """
    block, size = gguf.GGML_QUANT_SIZES[quant_type]
    within = torch.float32 if dtype == torch.float32 else torch.float16
    blocks = rows.reshape(-1, size)
    decode: Any = dequantize_functions[quant_type]
    values: torch.Tensor = decode(blocks, block, size, dtype=within)
    return values.reshape(*rows.shape[:-1], rows.shape[-1] // size * block).to(dtype)


def own_rows(
    rows: torch.Tensor, counts: Sequence[int], *, swapped: bool = False
) -> Sequence[torch.Tensor]:
    """Return the rows of each of diffusers' tensors that one published tensor holds.

    Args:
        rows: [sum of counts, ...]; of values, or of the blocks of quantised rows, which lie along
            the input dimension, so that splitting rows splits no block.
        counts: rows of each of diffusers' tensors, in the order of `Published.parts`.
        swapped: see `Published`.
    """
    whole: Any = torch.cat(rows.chunk(2)[::-1]) if swapped else rows
    split: Sequence[torch.Tensor] = whole.split(list(counts))
    return split


def load_gguf(
    folder: Path,
    module: Any,
    published: Published,
    *,
    device: str,
    dtype: str,
    apart: Callable[[Any], tuple[str, ...]] | None = None,
) -> Any:
    """Fill a transformer from the one GGUF file of a folder, and return it.

    Args:
        folder: holds one `*.gguf` with the tensors named as published.
        module: of its config, on the meta device; see `config_folder`.
        published: its names.
        device: "cpu" or "cuda".
        dtype: in which it computes: "float32", "float16" or "bfloat16". Weights stored in a plain
            type take it; quantised linear layers stay as they are.
        apart: returns the submodules, by path, whose weights stay on the CPU as they are stored;
            what is computed with them is computed in float32.

    Raises:
        PawfectError: UNAVAILABLE for a missing or damaged file, and for missing, extra or
            mis-shaped tensors; nothing is loaded by halves.
    """
    files = sorted(folder.glob("*.gguf"))
    if len(files) != 1:
        got = ", ".join(file.name for file in files) or "none"
        raise unusable(folder, f"expected one GGUF file, got {got}")
    stored = _read(files[0], published.architecture)
    what = f"weights {folder.name}: {files[0].name}"
    parts = published.parts(module)
    shapes = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    check_shapes(joined_shapes(parts, shapes), {n: t.shape for n, t in stored.items()}, what)
    compute = torch_dtype(dtype)
    kept = apart(module) if apart else ()
    with fitting(what, device):
        for name, own in parts.items():
            counts = [shapes[part][0] for part in own]
            split = own_rows(stored[name].rows(), counts, swapped=published.swapped(name))
            kind = stored[name].type
            for part, rows in zip(own, split, strict=True):
                if is_below(part, kept):
                    exact = rows.dtype if kind in PLAIN else torch.float32
                    _place(module, part, rows, kind, exact)
                else:
                    _place(module, part, rows.to(device), kind, compute)
    module.requires_grad_(False).eval()
    return module


def _read(path: Path, expected: str) -> dict[str, _Stored]:
    """Read a GGUF file's list of tensors; their data stays in the mapped file."""
    try:
        reader = gguf.GGUFReader(path)
    except _DAMAGED as error:
        problem = f"{path.name}: expected GGUF, got a damaged file ({type(error).__name__})"
        raise unusable(path.parent, problem) from None
    field = reader.get_field("general.architecture")
    architecture = field.contents() if field else None
    known = architecture in (expected, None)
    if not known or reader.endianess != gguf.GGUFEndian.LITTLE:
        got = f"{architecture}, {reader.endianess.name.lower()}-endian"
        raise unusable(path.parent, f"{path.name}: expected {expected}, little-endian, got {got}")
    unknown = sorted(
        {t.tensor_type.name for t in reader.tensors}
        - {t.name for t in PLAIN | dequantize_functions}
    )
    if unknown:
        raise unusable(path.parent, f"{path.name}: expected types known here, got {unknown[0]}")
    return {
        t.name: _Stored(tuple(reversed(t.shape.tolist())), t.tensor_type, t.data)
        for t in reader.tensors
    }


def config_folder(folder: Path) -> Path:
    """Return where a folder with a GGUF file has diffusers' config: `transformer`, or itself."""
    inner = folder / "transformer"
    return inner if (inner / "config.json").is_file() else folder


def joined_shapes(
    parts: Mapping[str, tuple[str, ...]], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the published tensors: of each, its parts' rows below one another."""
    return {
        name: (sum(shapes[part][0] for part in own), *shapes[own[0]][1:])
        for name, own in parts.items()
    }


def _place(
    module: torch.nn.Module,
    name: str,
    rows: torch.Tensor,
    quant_type: gguf.GGMLQuantizationType,
    compute: torch.dtype,
) -> None:
    """Put one tensor in its place; a linear layer that gets a quantised weight becomes one."""
    path, _, leaf = name.rpartition(".")
    owner = module.get_submodule(path)
    quantised: Any = GGUFParameter
    value: torch.nn.Parameter
    if quant_type in PLAIN:
        value = torch.nn.Parameter(rows.to(compute), requires_grad=False)
    elif leaf == "weight" and isinstance(owner, torch.nn.Linear):
        size = (owner.in_features, owner.out_features, owner.bias is not None)
        linear = QuantisedLinear(*size, compute_dtype=compute, device="meta")
        linear.bias = owner.bias
        module.set_submodule(path, linear)
        owner, value = linear, quantised(rows, quant_type=quant_type)
    else:
        value = torch.nn.Parameter(decoded(rows, quant_type, compute), requires_grad=False)
    setattr(owner, leaf, value)
