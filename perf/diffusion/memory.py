"""GiB of each process that a profile of the full-size models puts on its card.

A process holds its CUDA context, its weights, and the most that its activations took so far: torch
keeps freed memory for itself, so peaks add up over processes even where they never coincide.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from pawfect.models import MODELS
from pawfect.picture.canvas import TOKEN_PX
from pawfect.profile import Profile
from pawfect.settings import ChainSettings
from pawfect.weights.published import read
from perf.diffusion.cards import BYTES
from perf.diffusion.flops import shown_tokens
from perf.diffusion.networks import Autoencoder, Coder, Network, Networks
from perf.diffusion.published import HEAD, NETWORKS
from perf.diffusion.storage import FUSED, PLAIN, Storage, storage_of, stored_bytes

GIB: Final = 2**30
# A CUDA context with torch's and cuBLAS's kernels: about 0.45 GiB per process.
CONTEXT_GIB: Final = 0.45
# What an allocator of blocks holds over what lives in them.
SLACK: Final = 1.1
# Where plain products compute the attention: the scores of every token against every other in fp32,
# before and after the softmax. All else that computes it holds none.
SCORES: Final = 2
# Bytes that live at the peak of a call in half precision, followed through the real modules
# (tests/perf/diffusion/test_memory.py), of the models that see one size: SAM3 at 1008 px with eight
# phrases in a batch, and Florence-2 at 768 px with the keys, values and logits of its beams, GiB.
SAM3_PEAK_GIB: Final = 1.187
FLORENCE2_PEAK_GIB: Final = 0.223
# InSPyReNet, the largest network of background removal: its parameters, and what lives at once in
# an eager float32 run at the largest view of a photo of 4:3, 2720 x 2048 px (perf/matting/cost.py).
NETWORK_VALUES: Final = 90_721_443
NETWORK_PEAK_GIB: Final = 10.728
# inswapper_128, which swaps faces: its parameters (perf/faces/network.py), and what may live beside
# them in float32: a picture of 512 and one of 256 channels at 128 px, and what cuDNN works in,
# assumed.
SWAP_VALUES: Final = 138_300_000
SWAP_PEAK_GIB: Final = 0.35
# Of T5's gated hidden layers and norms in fp32, bytes per token.
TEXT_PEAK: Final = 10240 * 4 * 6
# What SAM3 keeps of the last picture it saw, in half precision: features and positions of 256
# channels at 288, 144, 72 and 36 cells a side.
SAM3_SEEN_GIB: Final = 0.1051


@cache
def shapes_of(name: str) -> Mapping[str, tuple[int, ...]]:
    """Return the shape of each tensor of a published checkpoint, by name."""
    return read(name).tensors


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
        side: of the largest square window, px; None: the largest of each chain's sizes.
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
    if profile.swap is not None and profile.swap.device == "cuda":
        found.append(_process("face_swap", SWAP_VALUES, SWAP_PEAK_GIB * GIB, "float32"))
    for name in profile.chains:
        settings = profile.chain(name)
        if settings is not None and settings.device == "cuda":
            px = settings.sizes[-1] if side is None else side
            found += _chain(profile, name, settings, px, batch, kernels)
    rows = {process.model: process for process in found}
    on_card = (name for name in profile.models if profile.device(MODELS[name]) == "cuda")
    return tuple(rows[name] for name in on_card)


def total_gib(processes: tuple[Process, ...]) -> float:
    """Return what processes hold together, GiB."""
    return sum(process.total for process in processes)


def seen_pictures(settings: ChainSettings) -> int:
    """Return how many pictures of its own size a removal's step is shown, its canvas with them."""
    return 1 + settings.refers


def branches(settings: ChainSettings) -> int:
    """Return how many items of a batch one step takes: with guidance by a second prompt, two."""
    return 2 if settings.unwanted and settings.guidance_scale > 1 else 1


def _chain(
    profile: Profile, name: str, settings: ChainSettings, px: int, batch: int, kernels: str
) -> list[Process]:
    """Return a chain's processes for square windows of `px`."""
    networks = NETWORKS[name]
    # Longer sides go in tiles.
    tile = min(px, settings.tile_px) if settings.tile_px else px
    storage = storage_of(profile.entry(f"{name}_transformer"), kernels)
    tokens = seen_pictures(settings) * (px // TOKEN_PX) ** 2
    tokens += shown_tokens(networks, settings.text_tokens)
    items = batch * branches(settings)
    return [
        _text(profile, name, settings, networks, kernels),
        _coder(f"{name}_vae_encoder", networks.autoencoder, networks.autoencoder.encode, tile,
               settings.dtype),
        _coder(f"{name}_vae_decoder", networks.autoencoder, networks.autoencoder.decode, tile,
               settings.dtype),
        Process(
            f"{name}_transformer",
            stored_bytes(networks.transformer, storage, settings.dtype, settings.modulation) / GIB,
            SLACK * _live(networks.transformer, storage, settings, tokens, items) / GIB,
        ),
    ]  # fmt: skip


def _live(
    network: Network, storage: Storage, settings: ChainSettings, tokens: int, items: int
) -> float:
    """Return the bytes that live at the peak of a step."""
    plain = settings.attention == "math"
    values = (network.plain_peak if plain else network.peak) * items * tokens * network.width
    live = values * BYTES[settings.dtype] + storage.scratch_bytes * network.largest
    if plain:
        live += SCORES * items * network.width / HEAD * tokens**2 * BYTES["float32"]
    return live


def _text(
    profile: Profile, name: str, settings: ChainSettings, networks: Networks, kernels: str
) -> Process:
    """Return the process of a chain's text encoder."""
    model, dtype = f"{name}_text_encoder", settings.text_dtype
    if networks.text is None:
        values = _values("t5_text_encoder") + _values("clip_text_encoder")
        if dtype == "float16":
            # `wo` stays in float32: as much again.
            values += _values("t5_text_encoder", lambda name: name.endswith(".wo.weight"))
        return _process(model, values, settings.text_tokens * TEXT_PEAK, dtype)
    storage = storage_of(profile.entry(f"{name}_text"), kernels)
    held = stored_bytes(networks.text, storage, dtype, "layers")
    tokens = shown_tokens(networks, settings.text_tokens)
    live = networks.text.peak * tokens * networks.text.width * BYTES[dtype]
    live += storage.scratch_bytes * networks.text.largest
    if networks.vision is not None:
        held += stored_bytes(networks.vision, PLAIN, dtype, "layers")
        seen = networks.vision.peak * networks.patches * networks.vision.width * BYTES[dtype]
        live = max(live, seen)
    return Process(model, held / GIB, SLACK * live / GIB)


def _coder(model: str, autoencoder: Autoencoder, coder: Coder, tile_px: int, dtype: str) -> Process:
    live = coder.peak * tile_px**2 * autoencoder.width * BYTES[dtype]
    return _process(model, autoencoder.parameters, live, dtype)


def _values(name: str, kept: Callable[[str], bool] = lambda _: True) -> int:
    """Return how many values the tensors of a published checkpoint have."""
    return sum(math.prod(shape) for tensor, shape in shapes_of(name).items() if kept(tensor))


def _of_detector(name: str, apart: str) -> bool:
    """Say whether a tensor of SAM3 belongs to its detector, and not to the part kept elsewhere."""
    part = name.removeprefix("detector_model.")
    return part != name and not part.startswith(apart)


def _process(model: str, values: float, live: float, dtype: str) -> Process:
    return Process(model, values * BYTES[dtype] / GIB, SLACK * live / GIB)
