"""The two scales of the script: full size on a GPU, and the same steps small on a CPU for tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch

from pawfect.weights import published
from pawfect_export.tiny import flux as tiny


@dataclass(frozen=True)
class Scale:
    """How large everything is.

    Attributes:
        name: full or tiny.
        device: cuda or cpu.
        dtype: of the unquantised models.
        half: of the quantised ones.
        configs: of the modules transformer, vae, text_encoder and text_encoder_2.
        whole_px: both sides of the pipeline's picture.
        whole_tokens: its text tokens.
        windows: working sizes of `inpaint`, px.
        tokens: its text tokens.
        photo: width and height of the reference scene, px.
        whole_steps: of the pipeline.
        own_steps: of `inpaint`.
        repeats: timed runs whose median counts, after one that does not.
        batch_repeats: likewise of single steps.
        clients: that are batched.
        backend: of torch.compile; `eager` traces alone.
        capped: working sizes of the quantised fills, px.
        rows: of each full-size layer that are quantised; the rest of a layer repeats them.
    """

    name: str
    device: str
    dtype: str
    half: str
    configs: Mapping[str, Mapping[str, Any]]
    whole_px: int
    whole_tokens: int
    windows: tuple[int, ...]
    tokens: int
    photo: tuple[int, int]
    whole_steps: int
    own_steps: int
    repeats: int
    batch_repeats: int
    clients: int
    backend: str
    capped: tuple[int, ...]
    rows: int


def full() -> Scale:
    """Return the published sizes, on a GPU."""
    modules = {
        "transformer": "flux_transformer",
        "vae": "flux_vae",
        "text_encoder": "clip_text_encoder",
        "text_encoder_2": "t5_text_encoder",
    }
    configs = {name: dict(published.read(entry).config) for name, entry in modules.items()}
    return Scale(
        "full", "cuda", "bfloat16", "float16", configs, 1024, 512, (768, 512), 128, (1600, 1200),
        28, 8, 3, 10, 8, "inductor", (512, 768, 1024), 512,
    )  # fmt: skip


def small() -> Scale:
    """Return everything small, on a CPU: every step runs, no figure means anything."""
    configs: dict[str, dict[str, Any]] = {
        "transformer": dict(tiny.TRANSFORMER),
        "vae": dict(tiny.VAE),
        "text_encoder": {**tiny.CLIP, "vocab_size": 1000},
        "text_encoder_2": {**tiny.T5, "vocab_size": 1000},
    }
    return Scale(
        "tiny", "cpu", "float32", "float32", configs, 64, 16, (96, 64), 8, (128, 96),
        3, 2, 1, 2, 8, "eager", (64,), 64,
    )  # fmt: skip


# GPU memory that a T4 leaves a process, GiB.
T4_GIB: Final = 14.7


def torch_type(name: str) -> torch.dtype:
    """Return torch's dtype of a scale's name."""
    found = getattr(torch, name)
    assert isinstance(found, torch.dtype)
    return found
