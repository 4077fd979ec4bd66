"""One scheme on one model: error of the velocity, bytes, seconds."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import torch

from pawfect.flux.quantised.int4 import Int4
from pawfect.flux.quantised.int8 import Int8
from pawfect.flux.quantised.scheme import SCHEMES, Scheme, quantised_layers

Arguments = dict[str, torch.Tensor]
# Times are the median of so many steps, after one that is not counted.
REPEATS: Final = 5


@dataclass(frozen=True)
class Row:
    """One scheme's figures.

    Attributes:
        name: of the scheme.
        dtype: of everything that is not quantised.
        errors: |velocity - plain| / |plain|, Euclidean, at each step of the schedule looked at.
        linear_bytes: of the blocks' linear layers, biases included.
        total_bytes: of the whole module.
        seconds: of one step.
    """

    name: str
    dtype: str
    errors: tuple[float, ...]
    linear_bytes: int
    total_bytes: int
    seconds: float

    @property
    def error(self) -> float:
        """The largest of the errors."""
        return max(self.errors)


def plain(model: Any, steps: Sequence[Arguments]) -> list[torch.Tensor]:
    """Return the velocities of a model at some steps."""
    with torch.inference_mode():
        return [model(**step, return_dict=False)[0].float() for step in steps]


def quantised(model: Any, scheme: Scheme) -> Any:
    """Return a copy of a plain float32 model with a scheme's layers."""
    made = copy.deepcopy(model)
    for name, layer in quantised_layers(made, scheme.name).items():
        made.set_submodule(name, filled(scheme, layer))
    return made


def filled(scheme: Scheme, layer: torch.nn.Linear) -> torch.nn.Module:
    """Return a scheme's layer in place of a plain one, with its tensors."""
    bias = layer.bias is not None
    made: Any = scheme.linear(layer.in_features, layer.out_features, bias, layer.weight.dtype)
    for name, value in scheme.quantise(layer.weight.data).items():
        getattr(made, name).data = value
    if bias:
        made.bias.data = layer.bias.data.clone()
    ready: torch.nn.Module = made.requires_grad_(False).eval()
    return ready


def in_half(model: Any) -> Any:
    """Return a copy in float16 but for the scales."""
    made = copy.deepcopy(model)
    for module in made.modules():
        for name, tensor in (*module.named_parameters(recurse=False), *module.named_buffers(
            recurse=False
        )):  # fmt: skip
            if tensor.dtype == torch.float32 and name != "weight_scale":
                tensor.data = tensor.data.half()
    return made


VARIANTS: Final = MappingProxyType(
    {
        "Q8_0": SCHEMES["q8_0"],
        "int8": SCHEMES["int8"],
        "int8, not rotated": Int8(rotation=1),
        "Q4_0": SCHEMES["q4_0"],
        "int4": SCHEMES["int4"],
        "int4, not rotated": Int4(rotation=1),
    }
)


def measure(
    name: str, model: Any, steps: Sequence[Arguments], truth: Sequence[torch.Tensor], dtype: str
) -> Row:
    """Run a model at some steps and compare it with the plain one's velocities.

    Args:
        name: of the row.
        model: whose layers are already those to be measured.
        steps: arguments, float32.
        truth: the plain model's velocities at these steps.
        dtype: "float32" or "float16"; the model is of it.
    """
    given = [
        {key: value.half() if key in _TYPED and dtype == "float16" else value for key, value in
         step.items()}
        for step in steps
    ]  # fmt: skip
    got = plain(model, given)
    errors = tuple(
        float((own - true).norm() / true.norm()) for own, true in zip(got, truth, strict=True)
    )
    tensors = dict(model.named_parameters()) | dict(model.named_buffers())
    blocks = [
        tensor.nbytes
        for key, tensor in tensors.items()
        if key.startswith(("transformer_blocks.", "single_transformer_blocks."))
        and "norm" not in key
    ]
    total = sum(tensor.nbytes for tensor in tensors.values())
    return Row(name, dtype, errors, sum(blocks), total, _seconds(model, given[1]))


_TYPED: Final = ("hidden_states", "encoder_hidden_states", "pooled_projections")


def _seconds(model: Any, step: Arguments) -> float:
    times = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        plain(model, [step])
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def outlier_ratios(model: Any, step: Arguments) -> dict[str, float]:
    """Return by layer the largest input activation over the median one."""
    ratios: dict[str, float] = {}

    def watch(name: str) -> Callable[..., None]:
        def look(layer: Any, inputs: Any, output: Any) -> None:
            values = inputs[0].abs()
            ratios[name] = float(values.amax() / values.median())

        return look

    layers = quantised_layers(model, "int8").items()
    hooks = [layer.register_forward_hook(watch(name)) for name, layer in layers]
    plain(model, [step])
    for hook in hooks:
        hook.remove()
    return ratios
