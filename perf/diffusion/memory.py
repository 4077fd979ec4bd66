"""How a transformer's weights are stored, and GiB of each process that a profile puts on the card.

A process holds its CUDA context, its weights, and the most that its activations took so far: torch
keeps freed memory for itself, so peaks add up over processes even where they never coincide.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import Final

from pawfect.diffusion.quantised.sizes import ROW_SCALE, bits
from pawfect.models import MODELS
from pawfect.profile import Profile
from pawfect.settings import FluxSettings
from pawfect.weights.manifest import BUILT, manifest
from pawfect.weights.published import read
from perf.diffusion.cards import BYTES
from perf.diffusion.flops import WIDEST, WIDTH

FUSED: Final = "fused"
TORCH: Final = "torch"
GIB: Final = 2**30
# A CUDA context with torch's and cuBLAS's kernels: about 0.45 GiB per process.
CONTEXT_GIB: Final = 0.45
# What an allocator of blocks holds over what lives in them.
SLACK: Final = 1.1
# Bytes that live at the peak of a call, as multiples of one tensor: followed through the real
# modules at full size and half precision (tests/perf/diffusion/test_memory.py). FLUX: tokens x
# width, in the single blocks, where queries, keys, values, the MLP's hidden layer and its input
# live together. VAE: pixels x its first width.
FLUX_PEAK: Final = 17.6
# Where plain products compute the attention: the same, and the scores of every token against every
# other in fp32, before and after the softmax. All else that computes it holds none.
PLAIN_PEAK: Final = 18.6
SCORES: Final = 2
HEAD_WIDTH: Final = 128
ENCODE_PEAK: Final = 5.1
DECODE_PEAK: Final = 6.1
VAE_WIDTH: Final = 128
# The same of the models that see one size: SAM3 at 1008 px with eight phrases in a batch, and
# Florence-2 at 768 px with the keys, values and logits of its beams, GiB in half precision.
SAM3_PEAK_GIB: Final = 1.187
FLORENCE2_PEAK_GIB: Final = 0.223
# InSPyReNet, the largest network of background removal: its parameters, and what lives at once in
# an eager float32 run at the largest view of a photo of 4:3, 2720 x 2048 px (perf/matting/cost.py).
NETWORK_VALUES: Final = 90_721_443
NETWORK_PEAK_GIB: Final = 10.728
# Of T5's gated hidden layers and norms in fp32, bytes per token.
TEXT_PEAK: Final = 10240 * 4 * 6
# What SAM3 keeps of the last picture it saw, in half precision: features and positions of 256
# channels at 288, 144, 72 and 36 cells a side.
SAM3_SEEN_GIB: Final = 0.1051


@dataclass(frozen=True)
class Storage:
    """How the blocks' linear layers are stored and computed.

    Attributes:
        name: of the scheme; `plain`: as the profile's dtype.
        bits: of one weight, shared scales included; None: those of the profile's dtype.
        decode_bytes: read and written per weight in each step to decode it, before the product
            reads it.
        scratch_bytes: held per weight of the largest layer while it is computed.
        around_bytes: read and written per value that enters or leaves such a layer, beside what the
            layer itself does: quantising, scaling.
        integer: whether products are in int8 and each output channel has a scale, else in the
            profile's dtype.
        modulation: whether the modulation layers are stored this way too, else in the profile's
            dtype.
    """

    name: str
    bits: float | None = None
    decode_bytes: float = 0.0
    scratch_bytes: float = 0.0
    around_bytes: float = 0.0
    integer: bool = False
    modulation: bool = True


PLAIN: Final = Storage("plain")
# GGUF through diffusers decodes each layer in each step by a row of torch kernels; the bytes are
# counted over diffusers 0.42.1 (tests/perf/diffusion/test_memory.py).
GGUF: Final = MappingProxyType(
    {
        "q4_0": Storage("q4_0", bits("q4_0"), 11.6, 4.5),
        "q5_k_s": Storage("q5_k_s", 5.5, 19.1, 7.0),
        "q8_0": Storage("q8_0", bits("q8_0"), 3.1, 3.0),
    }
)
# Integer products. Fused kernels (comfy-kitchen's) are assumed to read fp16 and write int8 before
# the product and to scale its sums on their way out. torch's own product leaves all that to kernels
# of their own: counted, 45 bytes per value that enters and 50 per value that leaves. 4 bits are
# decoded to int8: within the fused kernel, or by a table in fp32 before it (counted).
INTEGER: Final = MappingProxyType(
    {
        ("int8", FUSED): Storage("int8", bits("int8"), 0, 0, 5, integer=True, modulation=False),
        ("int8", TORCH): Storage("int8", bits("int8"), 0, 2.5, 48, integer=True, modulation=False),
        ("int4", FUSED): Storage("int4", bits("int4"), 0, 0, 5, integer=True, modulation=False),
        ("int4", TORCH): Storage("int4", bits("int4"), 40, 4, 48, integer=True, modulation=False),
    }
)


def storage_of(entry: str, kernels: str = FUSED) -> Storage:
    """Return how an entry stores the transformer.

    Args:
        entry: name in the weights' manifest, such as flux-fill-dev-turbo-int4.
        kernels: `fused` (comfy-kitchen's, in the container) or `torch`: what computes integers.
    """
    scheme = entry.rpartition("-")[2]
    if scheme in GGUF:
        # What is quantised here keeps its modulation layers as they are.
        built = entry in (entries := manifest()) and entries[entry].kind == BUILT
        return replace(GGUF[scheme], modulation=not built)
    return INTEGER[scheme, kernels] if (scheme, FUSED) in INTEGER else PLAIN


@cache
def shapes_of(name: str) -> Mapping[str, tuple[int, ...]]:
    """Return the shape of each tensor of a published checkpoint, by name."""
    return read(name).tensors


def transformer_bytes(storage: Storage, dtype: str, modulation: str) -> float:
    """Return the bytes of the full-size transformer's weights on the card.

    Args:
        storage: of the blocks' linear layers.
        dtype: of all else.
        modulation: `cached` leaves the blocks' modulation layers off the card.
    """
    held = 0.0
    for name, shape in shapes_of("flux_transformer").items():
        inside = "transformer_blocks." in name
        modulates = inside and ".norm" in name and ".linear." in name
        if modulates and modulation == "cached":
            continue
        count = math.prod(shape)
        quantised = inside and len(shape) == 2 and (storage.modulation or not modulates)
        if quantised and storage.bits is not None:
            held += count * storage.bits / 8 + storage.integer * shape[0] * ROW_SCALE
        else:
            held += count * BYTES[dtype]
    return held


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
        # The text encoder may stay on the CPU.
        apart = "text_encoder." if profile.sam3.text_device == "cpu" else "none"
        values = _values("sam3", lambda name: _of_detector(name, apart))
        live = (SAM3_PEAK_GIB + SAM3_SEEN_GIB) * GIB
        found.append(_process("sam3_labeling", values, live, profile.sam3.dtype))
    if profile.florence2 is not None:
        values, live = _values("florence2_base"), FLORENCE2_PEAK_GIB * GIB
        found.append(_process("florence2", values, live, profile.florence2.dtype))
    if profile.onnx is not None and profile.onnx.device == "cuda":
        values = profile.onnx.keep * NETWORK_VALUES
        found.append(_process("onnx_networks", values, NETWORK_PEAK_GIB * GIB, "float32"))
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
    tokens = (px // 16) ** 2 + settings.text_tokens
    plain = settings.attention == "math"
    live = (PLAIN_PEAK if plain else FLUX_PEAK) * batch * tokens * WIDTH * size
    live += storage.scratch_bytes * WIDEST * WIDTH
    if plain:
        live += SCORES * batch * WIDTH / HEAD_WIDTH * tokens**2 * BYTES["float32"]
    found.append(Process("flux_transformer", weights / GIB, SLACK * live / GIB))
    return found


def _values(name: str, kept: Callable[[str], bool] = lambda _: True) -> int:
    """Return how many values the tensors of a published checkpoint have."""
    return sum(math.prod(shape) for tensor, shape in shapes_of(name).items() if kept(tensor))


def _of_detector(name: str, apart: str) -> bool:
    """Say whether a tensor of SAM3 belongs to its detector, and not to the part kept elsewhere."""
    part = name.removeprefix("detector_model.")
    return part != name and not part.startswith(apart)


def _process(model: str, values: float, live: float, dtype: str) -> Process:
    return Process(model, values * BYTES[dtype] / GIB, SLACK * live / GIB)
