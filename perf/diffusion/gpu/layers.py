"""What quantising costs, layer by layer: error and milliseconds at the transformer's own widths."""

from __future__ import annotations

from typing import Any, Final

import torch
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel

from pawfect.diffusion.quantised import scheme as schemes
from pawfect.diffusion.quantised.integer import IntegerLinear
from pawfect.diffusion.quantised.kernels import choose_kernels
from pawfect.weights.checkpoint import torch_dtype
from perf.diffusion.gpu.models import Scale, seconds
from perf.diffusion.random_transformer import repeated

TOKENS: Final = 256
# Channels of the activations that are outliers, and by how much: a hundredth, twenty times.
OUTLIERS: Final = 0.01
OUTLIER_GAIN: Final = 20.0


def layer_costs(scale: Scale) -> list[dict[str, Any]]:
    """Measure every scheme, and none, on every shape of the blocks' linear layers.

    Returns:
        A row for each: relative error of the output against float64, and ms for TOKENS tokens.
    """
    with torch.device("meta"):
        plain: Any = FluxTransformer2DModel.from_config(dict(scale.configs["transformer"]))
    rows = []
    for name in schemes.SCHEMES:
        layers = schemes.quantised_layers(plain, name).values()
        for shape in sorted({tuple(layer.weight.shape) for layer in layers}):
            drawn = torch.Generator().manual_seed(0)
            weight = torch.randn(min(scale.rows, shape[0]), shape[1], generator=drawn)
            weight *= shape[1] ** -0.5
            inputs = torch.randn(TOKENS, shape[1], generator=drawn)
            inputs[:, : max(1, round(OUTLIERS * shape[1]))] *= OUTLIER_GAIN
            quantised = _layer(schemes.find_scheme(name), weight, shape, scale)
            rows.append({"scheme": name, "shape": shape} | _costs(quantised, weight, inputs, scale))
    return rows


def _layer(
    scheme: schemes.Scheme, weight: torch.Tensor, shape: tuple[int, ...], scale: Scale
) -> torch.nn.Module:
    """Return a layer of a shape whose rows are those of `weight` again and again."""
    layer: torch.nn.Module = scheme.linear(shape[1], shape[0], False, torch_dtype(scale.half))
    places = layer.state_dict()
    tensors = scheme.quantise(weight)
    state = {name: repeated(tensor, places[name].shape) for name, tensor in tensors.items()}
    layer.load_state_dict(state, assign=True)
    if isinstance(layer, IntegerLinear):
        layer.kernels = choose_kernels(scale.device)
    return layer.to(scale.device)


def _costs(
    layer: torch.nn.Module, weight: torch.Tensor, inputs: torch.Tensor, scale: Scale
) -> dict[str, float]:
    there = inputs.to(scale.device, torch_dtype(scale.half))
    exact = inputs.double() @ weight.double().T
    with torch.inference_mode():
        got = layer(there)[:, : len(weight)].double().cpu()
        spent_s = seconds(scale, lambda: layer(there))["median_s"]
    plain = (there.cpu() @ weight.to(there.dtype).T).double()
    return {
        "error": round(float((got - exact).norm() / exact.norm()), 5),
        "error_unquantised": round(float((plain - exact).norm() / exact.norm()), 5),
        "ms": round(1000 * spent_s, 3),
    }
