"""`int8`: weights by output channel, activations by token, both rotated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from pawfect.diffusion.quantised.integer import Integer, IntegerLinear
from pawfect.diffusion.quantised.product import MOST
from pawfect.diffusion.quantised.rotation import block_size, rotated


class Int8Linear(IntegerLinear):
    """A linear layer of an int8 weight; see `IntegerLinear`.

    Attributes:
        weight: INT8 [out_features, in_features], rotated.
    """

    @staticmethod
    def codes(in_features: int, out_features: int) -> dict[str, torch.Tensor]:
        """See `IntegerLinear`."""
        return {"weight": torch.empty(out_features, in_features, dtype=torch.int8)}

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return [..., out_features] of [..., in_features], in the same dtype."""
        return self.kernels.int8(self, inputs)


@dataclass(frozen=True)
class Int8(Integer):
    """The scheme; see `Integer`."""

    name: ClassVar[str] = "int8"
    layer: ClassVar[type[IntegerLinear]] = Int8Linear

    def quantise(self, weight: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the layer's tensors of a weight, floating [N, K]."""
        turned = rotated(weight.float(), block_size(weight.shape[1], self.rotation))
        peak = turned.abs().amax(dim=1)
        scale = torch.where(peak == 0, torch.ones_like(peak), peak / MOST)
        codes = (turned / scale[:, None]).round_().clamp_(-MOST, MOST).to(torch.int8)
        return {"weight": codes, "weight_scale": scale}
