"""The real modules at full size, without memory, and what torch counts of a call of theirs."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

from pawfect.flux import text, transformer_module, vae
from pawfect.scene import florence2, sam3_checkpoint
from pawfect.weights.published import read
from perf.flux.versus.counting import flop_of

BUILDERS: Mapping[str, Callable[[Path], Any]] = {
    "flux_transformer": lambda folder: transformer_module.build_module(
        folder, transformer_module.FILL
    ),
    "flux_vae": vae.build_module,
    "clip_text_encoder": text.build_clip,
    "t5_text_encoder": text.build_t5,
    "sam3": sam3_checkpoint.build_module,
    "florence2_base": lambda folder: florence2.build_module(folder)[1],
}


def built(name: str) -> Any:
    """Return a published module, its weights on the meta device."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(dict(read(name).config)))
        return BUILDERS[name](Path(folder))


@cache
def full_size(name: str) -> Any:
    """Return a published module on the meta device, buffers and all, built once."""
    return built(name).to("meta")


def counted(call: Callable[[], object]) -> int:
    """Return the FLOP that torch counts of a call."""
    with torch.inference_mode():
        return flop_of(call)


def flux_inputs(
    config: Mapping[str, Any], tokens: int, text_tokens: int, batch: int, like: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Return inputs of FLUX's transformer, on the device and of the dtype of `like`."""

    def empty(*shape: int) -> torch.Tensor:
        return torch.zeros(shape, device=like.device, dtype=like.dtype)

    return {
        "hidden_states": empty(batch, tokens, config["in_channels"]),
        "encoder_hidden_states": empty(batch, text_tokens, config["joint_attention_dim"]),
        "pooled_projections": empty(batch, config["pooled_projection_dim"]),
        "timestep": empty(batch),
        "guidance": empty(batch),
        "img_ids": empty(tokens, 3).float(),
        "txt_ids": empty(text_tokens, 3).float(),
    }
