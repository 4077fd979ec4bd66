"""What computes the integer layers: torch's own product, or comfy-kitchen's kernels where they run.

comfy-kitchen (https://github.com/Comfy-Org/comfy-kitchen, Apache-2.0) has CUDA kernels for sm_75
that rotate, quantise, multiply and scale in a few launches. It is optional: nothing here needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol

import torch

from pawfect.diffusion.quantised.installed import COMFY_KITCHEN, has_comfy_kitchen
from pawfect.diffusion.quantised.product import int8_linear
from pawfect.diffusion.quantised.rotation import LARGEST

if TYPE_CHECKING:
    from pawfect.diffusion.quantised.int4 import Int4Linear
    from pawfect.diffusion.quantised.int8 import Int8Linear


class Kernels(Protocol):
    """Computes quantised layers.

    Attributes:
        name: for reports.
    """

    name: str

    def int8(self, layer: Int8Linear, inputs: torch.Tensor) -> torch.Tensor:
        """Return the layer's output [..., N] of [..., K], in the inputs' dtype."""
        ...

    def int4(self, layer: Int4Linear, inputs: torch.Tensor) -> torch.Tensor:
        """Return the layer's output [..., N] of [..., K], in the inputs' dtype."""
        ...


class TorchKernels:
    """torch's own int8 product, on any device."""

    name = "torch._int_mm"

    def int8(self, layer: Int8Linear, inputs: torch.Tensor) -> torch.Tensor:
        """See `Kernels`."""
        bias: Any = layer.bias
        weight: Any = layer.weight
        scale: Any = layer.weight_scale
        return int8_linear(inputs, weight, scale, bias, layer.rotation)

    def int4(self, layer: Int4Linear, inputs: torch.Tensor) -> torch.Tensor:
        """See `Kernels`; the weight is decoded to int8 for the length of the call."""
        from pawfect.diffusion.quantised.int4 import decoded

        stored: Any = layer.weight
        groups: Any = layer.group_scale
        scale: Any = layer.weight_scale
        bias: Any = layer.bias
        return int8_linear(inputs, decoded(stored, groups), scale, bias, layer.rotation)


class ComfyKernels:
    """comfy-kitchen's kernels; layers that they do not take go to torch's.

    Args:
        library: the package, imported.
        backend: of its registry that computes: `cuda` on a card.
    """

    def __init__(self, library: Any, backend: str) -> None:
        self.name = f"comfy-kitchen {COMFY_KITCHEN} ({backend})"
        self._library = library

    def int8(self, layer: Int8Linear, inputs: torch.Tensor) -> torch.Tensor:
        """See `Kernels`."""
        if layer.rotation != LARGEST:
            return TORCH.int8(layer, inputs)
        rows = inputs.reshape(-1, inputs.shape[-1])
        output: torch.Tensor = self._library.int8_linear(
            rows,
            layer.weight,
            layer.weight_scale,
            bias=layer.bias,
            out_dtype=inputs.dtype,
            convrot=True,
            convrot_groupsize=LARGEST,
        )
        return _finite(output).reshape(*inputs.shape[:-1], layer.out_features)

    def int4(self, layer: Int4Linear, inputs: torch.Tensor) -> torch.Tensor:
        """See `Kernels`."""
        from pawfect.diffusion.quantised.int4 import levels
        from pawfect.diffusion.quantised.sizes import INT4_GROUP

        if layer.rotation != LARGEST:
            return TORCH.int4(layer, inputs)
        stored: Any = layer.weight
        rows = inputs.reshape(-1, inputs.shape[-1])
        output: torch.Tensor = self._library.w4a8_int8_linear(
            rows,
            stored.view(torch.int8),
            layer.group_scale,
            layer.weight_scale,
            codebook=levels(str(inputs.device)),
            bias=layer.bias,
            group_size=INT4_GROUP,
            convrot_groupsize=LARGEST,
            out_dtype=inputs.dtype,
        )
        return _finite(output).reshape(*inputs.shape[:-1], layer.out_features)


TORCH: Final = TorchKernels()


def choose_kernels(device: str) -> Kernels:
    """Return the fastest kernels that are installed for a device.

    Args:
        device: "cpu" or "cuda".
    """
    if not device.startswith("cuda") or not has_comfy_kitchen():
        return TORCH
    try:
        library = import_module("comfy_kitchen")
    except (ImportError, OSError):
        # OSError: its compiled part finds no CUDA 13 runtime.
        return TORCH
    if not library.registry.is_available("cuda"):
        return TORCH
    return ComfyKernels(library, "cuda")


def _finite(output: torch.Tensor) -> torch.Tensor:
    """Bring what overflowed to the dtype's largest values; what is no number stays none."""
    most = torch.finfo(output.dtype).max
    return output.clamp_(-most, most)
