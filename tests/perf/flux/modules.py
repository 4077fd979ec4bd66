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
from perf.flux.sides import flop_of

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
