"""FLUX's transformer quantised at full size from random weights, and what quantising a layer costs.

Of each layer's shape a few rows are quantised by the project's own code, and repeated: the bytes,
the kernels and the arithmetic are those of a quantised checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import torch
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel

from pawfect.flux.modulation import Modulation, apart
from pawfect.flux.quantised import scheme as schemes
from pawfect.flux.quantised.integer import IntegerLinear
from pawfect.flux.quantised.kernels import choose_kernels
from pawfect.flux.transformer import Transformer
from perf.flux.gpu.models import SEED
from perf.flux.gpu.scale import Scale, torch_type

SCHEMES: Final = ("int8", "int4", "q8_0", "q4_0")
TOKENS: Final = 256
# Channels of the activations that are outliers, and by how much: a hundredth, twenty times.
OUTLIERS: Final = 0.01
OUTLIER_GAIN: Final = 20.0
# Random numbers that the layers are made of that no scheme quantises; prime, so that rows differ.
DRAWN: Final = 1_048_583


@dataclass(frozen=True)
class LayerError:
    """One layer shape under one scheme: relative error of its output against float32."""

    scheme: str
    out_features: int
    in_features: int
    rows: int
    error: float


def layer_errors(scale: Scale) -> list[dict[str, Any]]:
    """Measure every scheme on every shape of the blocks' linear layers."""
    results = []
    for name in SCHEMES:
        scheme = schemes.find_scheme(name)
        layers = schemes.quantised_layers(_plain(scale), name).values()
        shapes = sorted({(layer.out_features, layer.in_features) for layer in layers})
        results += [asdict(_layer_error(scheme, shape, scale)) for shape in shapes]
    return results


def _layer_error(scheme: Any, shape: tuple[int, int], scale: Scale) -> LayerError:
    out_features, in_features = shape
    rows = min(scale.rows, out_features)
    generator = torch.Generator().manual_seed(SEED)
    weight = torch.randn(rows, in_features, generator=generator) / in_features**0.5
    inputs = torch.randn(TOKENS, in_features, generator=generator)
    inputs[:, : max(1, round(OUTLIERS * in_features))] *= OUTLIER_GAIN
    dtype = torch_type(scale.half)
    layer = scheme.linear(in_features, rows, False, dtype)
    _fill(layer, scheme.quantise(weight), rows)
    layer = layer.to(scale.device)
    kernels = choose_kernels(scale.device)
    if isinstance(layer, IntegerLinear):
        layer.kernels = kernels
    with torch.inference_mode():
        got = layer(inputs.to(scale.device, dtype)).float().cpu()
    exact = inputs.double() @ weight.double().T
    error = float((got.double() - exact).norm() / exact.norm())
    return LayerError(scheme.name, out_features, in_features, rows, error)


def quantised_transformer(scale: Scale, scheme_name: str) -> tuple[Transformer, str]:
    """Return a quantised transformer on the scale's device, and what its modulation runs on.

    The modulation's layers stay off the card, as in the `t4` profile.
    """
    scheme = schemes.find_scheme(scheme_name)
    dtype = torch_type(scale.half)
    module = _plain(scale)
    biases = {n: layer.bias is not None for n, layer in module.named_modules()
              if isinstance(layer, torch.nn.Linear)}  # fmt: skip
    shapes = {n: (layer.out_features, layer.in_features)
              for n, layer in schemes.quantised_layers(module, scheme_name).items()}  # fmt: skip
    kernels = choose_kernels(scale.device)
    made: dict[tuple[int, int], dict[str, torch.Tensor]] = {}
    generator = torch.Generator().manual_seed(SEED)
    for name, (out_features, in_features) in shapes.items():
        rows = min(scale.rows, out_features)
        key = (out_features, in_features)
        if key not in made:
            weight = torch.randn(rows, in_features, generator=generator) / in_features**0.5
            made[key] = scheme.quantise(weight)
        layer = scheme.linear(in_features, out_features, biases[name], dtype)
        _fill(layer, made[key], rows)
        if biases[name]:
            layer.bias = torch.nn.Parameter(torch.zeros(out_features, dtype=dtype), False)
        if isinstance(layer, IntegerLinear):
            layer.kernels = kernels
        module.set_submodule(name, layer.to(scale.device))
    _fill_plain(module, scale, dtype, apart(module), generator)
    module.requires_grad_(False).eval()
    cached = Modulation(module, dtype)
    return (
        Transformer(module, scale.device, dtype, modulation=cached),
        "cpu, once per prompt and step",
    )


def _plain(scale: Scale) -> Any:
    with torch.device("meta"):
        return FluxTransformer2DModel.from_config(dict(scale.configs["transformer"]))


def _fill(layer: Any, tensors: Mapping[str, torch.Tensor], rows: int) -> None:
    """Give a layer its tensors; those of `rows` rows are repeated to the layer's own height."""
    places = dict(layer.named_parameters()) | dict(layer.named_buffers())
    for name, tensor in tensors.items():
        times = places[name].shape[0] // tensor.shape[0]
        spare = places[name].shape[0] - times * tensor.shape[0]
        value = torch.cat([tensor] * times + [tensor[:spare]]) if spare or times > 1 else tensor
        if name in dict(layer.named_buffers()):
            setattr(layer, name, value.clone())
        else:
            setattr(layer, name, torch.nn.Parameter(value.clone(), requires_grad=False))


def _fill_plain(
    module: torch.nn.Module,
    scale: Scale,
    dtype: torch.dtype,
    apart: tuple[str, ...],
    generator: torch.Generator,
) -> None:
    """Fill what is still on the meta device: what no scheme quantises."""
    for name, parameter in list(module.named_parameters()):
        if not parameter.is_meta:
            continue
        off = any(name == path or name.startswith(f"{path}.") for path in apart)
        device = "cpu" if off else scale.device
        if parameter.ndim > 1:
            # Billions of numbers: a few are drawn, and repeated.
            times = -(-parameter.numel() // DRAWN)
            few = (torch.randn(DRAWN, generator=generator) * parameter.shape[1] ** -0.5).to(dtype)
            value = few.repeat(times)[: parameter.numel()].reshape(parameter.shape).to(device)
        else:
            ones = name.endswith("weight")
            value = torch.full(parameter.shape, float(ones), dtype=dtype, device=device)
        path, _, leaf = name.rpartition(".")
        setattr(module.get_submodule(path), leaf, torch.nn.Parameter(value, requires_grad=False))
