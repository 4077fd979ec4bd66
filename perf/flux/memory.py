"""GiB of each process that a profile puts on the card, from real sizes of parameters.

A process holds its CUDA context, its weights, and the most that its activations took so far: torch
keeps freed memory for itself, so peaks add up over processes even where they never coincide.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pawfect.models import MODELS
from pawfect.profile import FluxSettings, Profile
from perf.flux.cards import BYTES
from perf.flux.flops import WIDEST, WIDTH
from perf.flux.storage import FUSED, shapes_of, storage_of, transformer_bytes

GIB: Final = 2**30
# A CUDA context with torch's and cuBLAS's kernels: about 0.45 GiB per process.
CONTEXT_GIB: Final = 0.45
# What an allocator of blocks holds over what lives in them.
SLACK: Final = 1.1
# Bytes that live at the peak of a call, as multiples of one tensor: followed through the real
# modules at full size and half precision (tests/perf/flux/test_memory.py). FLUX: tokens x width,
# in the single blocks, where queries, keys, values, the MLP's hidden layer and its input live
# together. VAE: pixels x its first width.
FLUX_PEAK: Final = 17.6
ENCODE_PEAK: Final = 5.1
DECODE_PEAK: Final = 6.1
VAE_WIDTH: Final = 128
# The same of the models that see one size: SAM3 at 1008 px with eight phrases in a batch, and
# Florence-2 at 768 px with the keys, values and logits of its beams, GiB in half precision.
SAM3_PEAK_GIB: Final = 1.187
FLORENCE2_PEAK_GIB: Final = 0.223
# Of T5's gated hidden layers and norms in fp32, bytes per token.
TEXT_PEAK: Final = 10240 * 4 * 6
# Parts of SAM3 that are let go once the phrases are encoded.
LET_GO: Final = ("text_encoder.", "geometry_encoder.")


@dataclass(frozen=True)
class Process:
    """One process on the card, GiB.

    Attributes:
        model: the Triton model.
        weights: of parameters.
        activations: the most that lives during a call, with what the allocator holds over it.
        context: of CUDA.
    """

    model: str
    weights: float
    activations: float
    context: float = CONTEXT_GIB

    @property
    def total(self) -> float:
        """All of it, GiB."""
        return self.weights + self.activations + self.context


def processes_of(
    profile: Profile, *, side: int | None = None, batch: int = 1, kernels: str = FUSED
) -> tuple[Process, ...]:
    """Return the processes that a profile of the full-size models puts on its card.

    Args:
        profile: whose.
        side: of the largest square window, px; None: the largest of the profile's sizes.
        batch: steps that share a call of the transformer.
        kernels: as `storage_of` takes it.

    Raises:
        KeyError: a model that the registry puts on the card has no row here.
    """
    found: list[Process] = []
    if profile.sam3 is not None:
        values = _values("sam3", _kept)
        found.append(_process("sam3_labeling", values, SAM3_PEAK_GIB * GIB, profile.sam3.dtype))
    if profile.florence2 is not None:
        values, live = _values("florence2_base"), FLORENCE2_PEAK_GIB * GIB
        found.append(_process("florence2", values, live, profile.florence2.dtype))
    settings = profile.flux
    if settings is not None and settings.device == "cuda":
        px = settings.sizes[-1] if side is None else side
        found += _flux(settings, profile.weights["flux_transformer"], px, batch, kernels)
    rows = {process.model: process for process in found}
    on_card = (name for name in profile.models if profile.device(MODELS[name]) == "cuda")
    return tuple(rows[name] for name in on_card)


def total_gib(processes: tuple[Process, ...]) -> float:
    """Return what processes hold together, GiB."""
    return sum(process.total for process in processes)


def _flux(settings: FluxSettings, entry: str, px: int, batch: int, kernels: str) -> list[Process]:
    """Return FLUX's processes for square windows of `px`."""
    dtype, size = settings.dtype, BYTES[settings.dtype]
    text = _values("t5_text_encoder") + _values("clip_text_encoder")
    if settings.text_dtype == "float16":
        # `wo` stays in float32: as much again.
        text += _values("t5_text_encoder", lambda name: name.endswith(".wo.weight"))
    live = float(settings.text_tokens * TEXT_PEAK)
    found = [_process("flux_text_encoder", text, live, settings.text_dtype)]
    # Longer sides go in tiles.
    tile = min(px, settings.tile_px) if settings.tile_px else px
    for model, peak in (("flux_vae_encoder", ENCODE_PEAK), ("flux_vae_decoder", DECODE_PEAK)):
        live = peak * tile**2 * VAE_WIDTH * size
        found.append(_process(model, _values("flux_vae"), live, dtype))
    storage = storage_of(entry, kernels)
    weights = transformer_bytes(storage, dtype, settings.modulation)
    tokens = batch * ((px // 16) ** 2 + settings.text_tokens)
    live = FLUX_PEAK * tokens * WIDTH * size + storage.scratch_bytes * WIDEST * WIDTH
    found.append(Process("flux_transformer", weights / GIB, SLACK * live / GIB))
    return found


def _values(name: str, kept: Callable[[str], bool] = lambda _: True) -> int:
    """Return how many values the tensors of a published checkpoint have."""
    return sum(math.prod(shape) for tensor, shape in shapes_of(name).items() if kept(tensor))


def _kept(name: str) -> bool:
    """Say whether a tensor of SAM3 stays on the card."""
    part = name.removeprefix("detector_model.")
    return part != name and not part.startswith(LET_GO)


def _process(model: str, values: float, live: float, dtype: str) -> Process:
    return Process(model, values * BYTES[dtype] / GIB, SLACK * live / GIB)
