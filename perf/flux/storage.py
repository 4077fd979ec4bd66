"""How a transformer's weights are stored, by the entry of the weights' manifest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from pawfect.flux.quantised.sizes import ROW_SCALE, bits
from pawfect.weights.manifest import BUILT, manifest

FUSED: Final = "fused"
TORCH: Final = "torch"


@dataclass(frozen=True)
class Storage:
    """How the blocks' linear layers are stored and computed.

    Attributes:
        name: of the scheme; `plain`: as the profile's dtype.
        bits: of one weight, shared scales included; None: those of the profile's dtype.
        per_row: bytes of each output channel's own scale.
        compute: precision of the products; None: the profile's dtype.
        decode_bytes: read and written per weight in each step to decode it, before the product
            reads it.
        around_bytes: read and written per value that enters or leaves such a layer, beside what the
            layer itself does: quantising, scaling.
        scratch_bytes: held per weight of the largest layer while it is computed.
        modulation: whether the modulation layers are stored this way too, else in the profile's
            dtype.
    """

    name: str
    bits: float | None = None
    per_row: int = 0
    compute: str | None = None
    decode_bytes: float = 0.0
    around_bytes: float = 0.0
    scratch_bytes: float = 0.0
    modulation: bool = True


def _integer(scheme: str, *, around: float, decode: float = 0.0, scratch: float = 0.0) -> Storage:
    return Storage(
        scheme, bits(scheme), ROW_SCALE, "int8", decode, around, scratch, modulation=False
    )


PLAIN: Final = Storage("plain")
# GGUF through diffusers decodes each layer in each step by a row of torch kernels; the bytes are
# counted over diffusers 0.42.1 (tests/perf/flux/test_storage.py).
GGUF: Final = MappingProxyType(
    {
        "q4_0": Storage("q4_0", bits=bits("q4_0"), decode_bytes=11.6, scratch_bytes=4.5),
        "q5_k_s": Storage("q5_k_s", bits=5.5, decode_bytes=19.1, scratch_bytes=7.0),
        "q8_0": Storage("q8_0", bits=bits("q8_0"), decode_bytes=3.1, scratch_bytes=3.0),
    }
)
# Integer products. Fused kernels (comfy-kitchen's) are assumed to read fp16 and write int8 before
# the product and to scale its sums on their way out. torch's own product leaves all that to kernels
# of their own: counted, 45 bytes per value that enters and 50 per value that leaves. 4 bits are
# decoded to int8: within the fused kernel, or by a table in fp32 before it (counted).
INTEGER: Final = MappingProxyType(
    {
        ("int8", FUSED): _integer("int8", around=5),
        ("int8", TORCH): _integer("int8", around=48, scratch=2.5),
        ("int4", FUSED): _integer("int4", around=5),
        ("int4", TORCH): _integer("int4", decode=40, around=48, scratch=4),
    }
)
SCHEMES: Final = (*GGUF, "int8", "int4")


def scheme_of(entry: str) -> str:
    """Return the scheme of an entry of the weights' manifest: one of SCHEMES, or `plain`."""
    return next((name for name in SCHEMES if entry.endswith(f"-{name}")), PLAIN.name)


def storage_of(entry: str, kernels: str = FUSED) -> Storage:
    """Return how an entry stores the transformer.

    Args:
        entry: name in the weights' manifest, such as flux-fill-dev-turbo-int4.
        kernels: `fused` (comfy-kitchen's, in the container) or `torch`: what computes integers.
    """
    scheme = scheme_of(entry)
    if scheme == PLAIN.name:
        return PLAIN
    if scheme in GGUF:
        # What is quantised here keeps its modulation layers as they are.
        built = entry in (entries := manifest()) and entries[entry].kind == BUILT
        return replace(GGUF[scheme], modulation=not built)
    return INTEGER[scheme, kernels]
