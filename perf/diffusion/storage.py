"""How a network's weights are stored: schemes of quantisation, and what each takes beside bits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from pawfect.diffusion.quantised.sizes import ROW_SCALE, bits
from pawfect.weights.manifest import BUILT, manifest
from perf.diffusion.cards import BYTES
from perf.diffusion.networks import BLOCK, MODULATION, Network

FUSED: Final = "fused"
TORCH: Final = "torch"


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
    """Return how an entry stores its network.

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


def stored_bytes(network: Network, storage: Storage, dtype: str, modulation: str) -> float:
    """Return the bytes of a full-size network's weights on the card.

    Args:
        network: of `published`.
        storage: of the blocks' linear layers.
        dtype: of all else.
        modulation: `cached` leaves the blocks' modulation layers off the card.
    """
    plain, held = float(network.parameters), 0.0
    for layer in network.of(BLOCK, MODULATION):
        biases = layer.bias * layer.outputs * layer.times
        if layer.stored == MODULATION and modulation == "cached":
            plain -= layer.weights + biases
        elif storage.bits is not None and (layer.stored == BLOCK or storage.modulation):
            plain -= layer.weights
            held += layer.weights * storage.bits / 8
            held += storage.integer * layer.outputs * layer.times * ROW_SCALE
    return held + plain * BYTES[dtype]
