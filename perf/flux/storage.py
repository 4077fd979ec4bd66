"""How a transformer's weights are stored, by the entry of the weights' manifest."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pawfect.flux.quantised.installed import has_comfy_kitchen
from pawfect.flux.quantised.sizes import METADATA_KEY, ROW_SCALE, bits

# A safetensors header of more than this is none of ours, bytes.
MOST_HEADER: Final = 2**25
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


def scheme_of(entry: str, folder: Path | None = None) -> str:
    """Return the scheme of an entry: its files' own recipe where there is one, else its name's end.

    Args:
        entry: name in the weights' manifest, such as flux-fill-dev-turbo-int4.
        folder: of the entry, where its weights are here.

    Returns:
        One of SCHEMES, or `plain`.
    """
    recipe = _recipe(folder) if folder is not None else None
    if recipe in SCHEMES:
        return str(recipe)
    return next((name for name in SCHEMES if entry.endswith(f"-{name}")), PLAIN.name)


def storage_of(
    entry: str, folder: Path | None = None, *, built: bool = False, kernels: str | None = None
) -> Storage:
    """Return how an entry stores the transformer.

    Args:
        entry: as `scheme_of` takes it.
        folder: as `scheme_of` takes it.
        built: whether it is quantised here, which leaves modulation as it is.
        kernels: `fused` or `torch`, what computes integers; None: what is installed.
    """
    scheme = scheme_of(entry, folder)
    if scheme in GGUF:
        return replace(GGUF[scheme], modulation=not built)
    if scheme == PLAIN.name:
        return PLAIN
    return INTEGER[scheme, installed_kernels() if kernels is None else kernels]


def installed_kernels() -> str:
    """Return what computes integer layers here, by what is installed."""
    return FUSED if has_comfy_kitchen() else TORCH


def _recipe(folder: Path) -> str | None:
    """Return the scheme that a folder's safetensors files say they were made by, if any does."""
    for path in sorted(folder.rglob("*.safetensors")):
        try:
            with path.open("rb") as file:
                size = int.from_bytes(file.read(8), "little")
                if not 0 < size <= MOST_HEADER:
                    continue
                metadata = json.loads(file.read(size)).get("__metadata__", {})
            return str(json.loads(metadata[METADATA_KEY])["scheme"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return None
