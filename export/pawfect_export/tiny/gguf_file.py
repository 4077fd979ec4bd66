"""A transformer as a GGUF file, as the published quantised files are made.

What is quantised and what is not follows https://github.com/city96/ComfyUI-GGUF (tools/convert.py):
the weights of linear layers inside the blocks; everything of one dimension and the layers before
and after the blocks stay F32, in which BF16 weights keep every digit.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np
import torch
from numpy.typing import NDArray

from pawfect.diffusion.gguf import Published
from pawfect_export.quantisable import find_module

# The types that the gguf package writes; it can read K-quants (Q5_K and the like), not make them.
QUANTISATIONS: Final = ("F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0")
BLOCKS: Final = ("double_blocks.", "single_blocks.", "transformer_blocks.")


def build(
    folder: Path, source: Path, quantisation: str = "Q8_0", name: str = "flux1-fill-dev"
) -> None:
    """Write a folder that `pawfect.diffusion.transformer_files` reads.

    Args:
        folder: gets `NAME-QUANTISATION.gguf` and `transformer/config.json`.
        source: has diffusers' `transformer/` (config and safetensors), of a class that
            `quantisable.MODULES` has published names of.
        quantisation: one of QUANTISATIONS. Rows that are no multiple of its block stay F32.
        name: of the file.

    Raises:
        ValueError: for another quantisation.
        PawfectError: UNAVAILABLE for a damaged source.
    """
    if quantisation not in QUANTISATIONS:
        raise ValueError(f"expected one of {', '.join(QUANTISATIONS)}, got {quantisation}")
    inner = source / "transformer"
    kind = find_module(inner)
    assert kind.published is not None
    module = kind.build(inner)
    values = joined(kind.read(inner, module), module, kind.published)
    (folder / "transformer").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(inner / "config.json", folder / "transformer" / "config.json")
    chosen = gguf.GGMLQuantizationType[quantisation]
    write(folder / f"{name}-{quantisation}.gguf", values, chosen, kind.published.architecture)


def joined(
    tensors: Mapping[str, torch.Tensor], module: Any, published: Published
) -> dict[str, NDArray[np.float32]]:
    """Return diffusers' tensors under the published names, FP32, their rows joined.

    Args:
        tensors: by diffusers' names.
        module: that they belong to, on any device.
        published: its names.
    """
    values = {}
    for name, own in published.parts(module).items():
        rows = torch.cat([tensors[part] for part in own]).float().numpy()
        values[name] = np.concatenate(np.split(rows, 2)[::-1]) if published.swapped(name) else rows
    return values


def write(
    path: Path,
    values: Mapping[str, NDArray[np.float32]],
    quantisation: gguf.GGMLQuantizationType,
    architecture: str,
) -> None:
    """Write named values as one GGUF file, quantised as the module's docstring says.

    Args:
        path: of the file.
        values: FP32, by published names.
        quantisation: of the linear layers inside the blocks.
        architecture: goes into the file's metadata.
    """
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    mostly = "ALL_F32" if quantisation.name == "F32" else f"MOSTLY_{quantisation.name}"
    writer.add_file_type(gguf.LlamaFileType[mostly])
    for name, value in values.items():
        quantised = _is_quantised(name, value, quantisation)
        kind = quantisation if quantised else gguf.GGMLQuantizationType.F32
        writer.add_tensor(name, gguf.quants.quantize(value, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _is_quantised(
    name: str, value: NDArray[np.float32], quantisation: gguf.GGMLQuantizationType
) -> bool:
    block, _ = gguf.GGML_QUANT_SIZES[quantisation]
    return name.startswith(BLOCKS) and value.ndim == 2 and value.shape[-1] % block == 0
