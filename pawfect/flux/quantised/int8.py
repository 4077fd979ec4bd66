"""`int8`: weights by output channel, activations by token, both rotated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from pawfect.flux.quantised.kernels import TORCH, Kernels
from pawfect.flux.quantised.product import MOST
from pawfect.flux.quantised.rotation import LARGEST, block_size, rotated


class Int8Linear(torch.nn.Module):
    """A linear layer of an int8 weight.

    Attributes:
        weight: INT8 [out_features, in_features], rotated.
        weight_scale: float32 [out_features].
        bias: in the compute dtype [out_features], or None.
        rotation: block size.
        kernels: what computes it.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool, rotation: int) -> None:
        super().__init__()
        self.in_features, self.out_features, self.rotation = in_features, out_features, rotation
        self.register_buffer("weight", torch.empty(out_features, in_features, dtype=torch.int8))
        self.register_buffer("weight_scale", torch.empty(out_features, dtype=torch.float32))
        self.register_buffer("bias", torch.empty(out_features) if bias else None)
        self.kernels: Kernels = TORCH

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return [..., out_features] of [..., in_features], in the same dtype."""
        return self.kernels.int8(self, inputs)


@dataclass(frozen=True)
class Int8:
    """The scheme.

    Attributes:
        rotation: largest block that is rotated, a power of four; 1: none.
    """

    rotation: int = LARGEST
    name: ClassVar[str] = "int8"

    def linear(
        self, in_features: int, out_features: int, bias: bool, dtype: torch.dtype
    ) -> torch.nn.Module:
        """Return a layer whose tensors are still to be filled in."""
        return Int8Linear(in_features, out_features, bias, block_size(in_features, self.rotation))

    def quantise(self, weight: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the layer's tensors of a weight, floating [N, K]."""
        turned = rotated(weight.float(), block_size(weight.shape[1], self.rotation))
        peak = turned.abs().amax(dim=1)
        scale = torch.where(peak == 0, torch.ones_like(peak), peak / MOST)
        codes = (turned / scale[:, None]).round_().clamp_(-MOST, MOST).to(torch.int8)
        return {"weight": codes, "weight_scale": scale}
