"""`q4_0` and `q8_0`: GGUF's own blocks in safetensors, decoded layer by layer as diffusers does.

K-quants such as Q5_K are read from published GGUF files (`pawfect.diffusion.gguf`); the gguf
package cannot write them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gguf
import torch

from pawfect.diffusion.gguf import QuantisedLinear, decoded


class BlockLinear(QuantisedLinear):
    """`QuantisedLinear` with its type kept beside the bytes instead of with them."""

    def __init__(
        self, in_features: int, out_features: int, bias: bool, dtype: torch.dtype, kind: str
    ) -> None:
        super().__init__(in_features, out_features, bias, compute_dtype=dtype, device=None)
        self.quant_type = gguf.GGMLQuantizationType[kind]
        block, size = gguf.GGML_QUANT_SIZES[self.quant_type]
        rows: Any = torch.empty(out_features, in_features // block * size, dtype=torch.uint8)
        self.weight = torch.nn.Parameter(rows, requires_grad=False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the layer's output, [..., out_features] in the compute dtype."""
        weight = decoded(self.weight, self.quant_type, self.compute_dtype)
        return torch.nn.functional.linear(inputs, weight, self.bias)


@dataclass(frozen=True)
class Ggml:
    """The scheme of one of GGUF's types.

    Attributes:
        name: the type's name in lower case.
    """

    name: str

    def linear(
        self, in_features: int, out_features: int, bias: bool, dtype: torch.dtype
    ) -> torch.nn.Module:
        """Return a layer whose tensors are still to be filled in."""
        return BlockLinear(in_features, out_features, bias, dtype, self.name.upper())

    def quantise(self, weight: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the layer's tensors of a weight, floating [N, K], K whole blocks."""
        kind = gguf.GGMLQuantizationType[self.name.upper()]
        rows = gguf.quants.quantize(weight.float().contiguous().numpy(), kind)
        return {"weight": torch.from_numpy(rows)}
