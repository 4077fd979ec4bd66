"""What the integer schemes share: rotated weights as integers, a scale for each output channel."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch

from pawfect.diffusion.quantised.kernels import TORCH, Kernels
from pawfect.diffusion.quantised.rotation import LARGEST, block_size


class IntegerLinear(torch.nn.Module, ABC):
    """A linear layer of an integer weight.

    The order of the buffers is the files' own: `codes`, the channels' scales, the bias.

    Attributes:
        weight_scale: float32 [out_features].
        bias: in the compute dtype [out_features], or None.
        rotation: block size.
        kernels: what computes it.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool, rotation: int) -> None:
        super().__init__()
        self.in_features, self.out_features, self.rotation = in_features, out_features, rotation
        for name, tensor in self.codes(in_features, out_features).items():
            self.register_buffer(name, tensor)
        self.register_buffer("weight_scale", torch.empty(out_features, dtype=torch.float32))
        self.register_buffer("bias", torch.empty(out_features) if bias else None)
        self.kernels: Kernels = TORCH

    @staticmethod
    @abstractmethod
    def codes(in_features: int, out_features: int) -> dict[str, torch.Tensor]:
        """Return the unfilled `weight`, and what it is decoded by beside the channels' scales."""

    @abstractmethod
    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return [..., out_features] of [..., in_features], in the same dtype."""


@dataclass(frozen=True)
class Integer(ABC):
    """An integer scheme.

    Attributes:
        rotation: largest block that is rotated, a power of four; 1: none.
        name: as in recipes and commands.
        layer: what it makes of a linear layer.
    """

    rotation: int = LARGEST
    name: ClassVar[str]
    layer: ClassVar[type[IntegerLinear]]

    def linear(
        self, in_features: int, out_features: int, bias: bool, dtype: torch.dtype
    ) -> torch.nn.Module:
        """Return a layer whose tensors are still to be filled in."""
        return self.layer(in_features, out_features, bias, block_size(in_features, self.rotation))

    @abstractmethod
    def quantise(self, weight: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the layer's tensors of a weight, floating [N, K]."""
