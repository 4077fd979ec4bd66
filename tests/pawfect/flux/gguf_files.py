"""A small transformer whose rows hold whole blocks of every quantisation, files of it, a loader."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel

from pawfect.diffusion import transformer_files
from pawfect.flux.gguf import PUBLISHED
from pawfect.flux.transformer_module import FILL, build_module
from pawfect_export.tiny import gguf_file

# The smallest with whole blocks of a K-quant (256 values) in every row that they quantise.
SMALL = {
    "patch_size": 1,
    "in_channels": 384,
    "out_channels": 64,
    "num_layers": 2,
    "num_single_layers": 2,
    "attention_head_dim": 64,
    "num_attention_heads": 4,
    "joint_attention_dim": 48,
    "pooled_projection_dim": 40,
    "guidance_embeds": True,
    "axes_dims_rope": (16, 24, 24),
}
F32 = gguf.GGMLQuantizationType.F32
# Bytes of one block, and where its fp16 scales lie in it (ggml's block_q4_K, q5_K and q6_K).
K_QUANTS = {"Q4_K": (144, (0, 2)), "Q5_K": (176, (0, 2)), "Q6_K": (210, (208,))}
# What a file of a mix holds: most of it in the first type, the layers that lose most in the other.
MIXES = {"Q5_K_M": ("Q5_K", "Q6_K")}
LOSING_MOST = ("mlp.2.weight", "linear2.weight")


def transformer(**changes: object) -> FluxTransformer2DModel:
    torch.manual_seed(0)
    module = FluxTransformer2DModel(**(SMALL | changes)).eval()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "norm_" in name and parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return module.requires_grad_(False)


def load_transformer(folder: Path, **how: Any) -> Any:
    """Load the transformer of a folder as `Transformer.load` does."""
    return transformer_files.load_transformer(folder, build_fill, PUBLISHED, **how)[0]


def build_fill(folder: Path) -> Any:
    """Build FLUX-Fill's transformer of a folder's config, without weights."""
    return build_module(folder, FILL)


def joined() -> dict[str, np.ndarray]:
    """Return the small transformer's tensors by their published names, FP32."""
    module = transformer()
    return gguf_file.joined(module.state_dict(), module, PUBLISHED)


def build_random(folder: Path, source: Path, name: str) -> None:
    """Write a file whose block weights are random blocks of types that gguf cannot make."""
    rng = np.random.default_rng(0)
    writer = gguf.GGUFWriter(folder / f"random-{name}.gguf", "flux")
    for tensor, value in joined().items():
        if value.ndim == 2 and "_blocks." in tensor:
            own = MIXES.get(name, (name, name))[tensor.endswith(LOSING_MOST)]
            kind, (size, scales) = gguf.GGMLQuantizationType[own], K_QUANTS[own]
            count = value.shape[1] // 256
            blocks = rng.integers(0, 256, (value.shape[0], count, size), dtype=np.uint8)
            for at in scales:
                scale = rng.uniform(1e-5, 3e-5, (value.shape[0], count, 1)).astype(np.float16)
                blocks[..., at : at + 2] = scale.view(np.uint8)
            writer.add_tensor(tensor, blocks.reshape(value.shape[0], -1), raw_dtype=kind)
        else:
            # As published: the large layers around the blocks in half precision, the rest F32.
            half = (
                gguf.GGMLQuantizationType.F16 if name == "Q4_K" else gguf.GGMLQuantizationType.BF16
            )
            plain = half if value.ndim == 2 and value.shape[1] == 256 else F32
            writer.add_tensor(tensor, gguf.quants.quantize(value, plain), raw_dtype=plain)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    shutil.copytree(source / "transformer", folder / "transformer")
