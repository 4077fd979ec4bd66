"""What each scheme stores and how its files are marked; no torch, for whoever plans memory."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

# Groups of `int4` share one scale. 16: at 4.5 bits a weight, as many as Q4_0 takes, the error on
# Gaussian weights is 7.4 % where Q4_0 has 8.6 %; groups of 32 had 8.3 % at 4.25 bits.
INT4_GROUP: Final = 16
# Weights in a block of a GGUF type, and the block's bytes (ggml's block_q4_0 and block_q8_0).
GGML_BLOCKS: Final = MappingProxyType({"q4_0": (32, 18), "q8_0": (32, 34)})
SCHEMES: Final = ("int8", "int4", *GGML_BLOCKS)
# Of each row's own scale, float32, under the integer schemes; bytes.
ROW_SCALE: Final = 4
# The one key of the files' metadata, of the recipe: two would be written in no fixed order.
METADATA_KEY: Final = "pawfect_recipe"


def taken(scheme: str, in_features: int) -> bool:
    """Say whether a layer of this width is quantised: rows are made of whole groups or blocks."""
    if scheme == "int8":
        return True
    block = INT4_GROUP if scheme == "int4" else GGML_BLOCKS[scheme][0]
    return in_features % block == 0


def bits(scheme: str) -> float:
    """Return the bits of one quantised weight, scales included but for a row's own.

    Args:
        scheme: one of SCHEMES.
    """
    if scheme == "int8":
        return 8
    if scheme == "int4":
        return 4 + 8 / INT4_GROUP
    block, size = GGML_BLOCKS[scheme]
    return 8 * size / block


def stored_bytes(scheme: str, out_features: int, in_features: int) -> int:
    """Return the bytes of one quantised weight with its scales, without the bias.

    Args:
        scheme: one of SCHEMES.
        out_features: rows of the weight.
        in_features: columns, such as `taken` accepts.
    """
    per_row = 0 if scheme in GGML_BLOCKS else ROW_SCALE
    return int(out_features * in_features * bits(scheme)) // 8 + out_features * per_row
