"""`make quantisation`: how far quantised transformers are from the plain one, and their bytes."""

from __future__ import annotations

import copy
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import click
import torch

from pawfect.diffusion.quantised.int4 import Int4
from pawfect.diffusion.quantised.int8 import Int8
from pawfect.diffusion.quantised.scheme import SCHEMES, Scheme, quantised_layers
from pawfect_export.tiny.flux import TRANSFORMER
from perf.diffusion.random_transformer import random_transformer, step_arguments, with_outliers
from perf.publish import as_markdown, provenance, publish, table

Arguments = dict[str, torch.Tensor]
PACKAGES: Final = ("pawfect", "torch", "diffusers", "gguf", "numpy")
# 124 M parameters: FLUX.1's head width and kinds of block, a quarter of its width, a sixth of its
# depth.
CONFIG: Final = MappingProxyType(
    TRANSFORMER
    | {
        "attention_head_dim": 128,
        "axes_dims_rope": [16, 56, 56],
        "num_attention_heads": 6,
        "num_layers": 3,
        "num_single_layers": 6,
        "joint_attention_dim": 4096,
        "pooled_projection_dim": 768,
    }
)
# Early, midway and late in the schedule.
LEVELS: Final = (0.95, 0.5, 0.1)
# Tokens of a side of a 256 px window, and text tokens.
SIDE, TEXT = 16, 128
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
# Measured with the rest of the module in float16 too.
HALVES: Final = ("int8", "int4")
# The arguments that are of the model's dtype.
TYPED: Final = ("hidden_states", "encoder_hidden_states", "pooled_projections")


def build_model(config: Mapping[str, Any]) -> Any:
    """Return a plain float32 transformer with outliers, the same each time."""
    return with_outliers(random_transformer("flux", config, "cpu", torch.float32))


def steps(config: Mapping[str, Any], side: int, text: int) -> list[Arguments]:
    """Return the module's arguments at LEVELS, a square of tokens, so many of text."""
    given = step_arguments("flux", config, (side, side), text, 1, torch.zeros(1))
    return [given | {"timestep": torch.tensor([level])} for level in LEVELS]


def velocities(model: Any, given: Sequence[Arguments]) -> list[torch.Tensor]:
    """Return the velocities of a model at some steps."""
    with torch.inference_mode():
        return [model(**step, return_dict=False)[0].float() for step in given]


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
    for name, tensor in (*made.named_parameters(), *made.named_buffers()):
        if tensor.dtype == torch.float32 and not name.endswith("weight_scale"):
            tensor.data = tensor.data.half()
    return made


def errors_of(model: Any, given: Sequence[Arguments], truth: Sequence[torch.Tensor]) -> list[float]:
    """Return |velocity - truth| / |truth|, Euclidean, at each step."""
    found = zip(velocities(model, given), truth, strict=True)
    return [float((own - true).norm() / true.norm()) for own, true in found]


def measure(
    name: str,
    model: Any,
    given: Sequence[Arguments],
    truth: Sequence[torch.Tensor],
    dtype: str = "float32",
) -> dict[str, Any]:
    """Run a model at some steps and compare it with the plain one's velocities.

    Args:
        name: of the row.
        model: whose layers are already those to be measured.
        given: arguments of the steps, float32.
        truth: the plain model's velocities at these steps.
        dtype: float32 or float16, of all in the model that is not quantised.

    Returns:
        `errors` as `errors_of` gives them, `error` the largest;
        `linear_bytes` of the blocks' linear layers, biases included; `total_bytes` of the module.
    """
    if dtype == "float16":
        given = [{k: v.half() if k in TYPED else v for k, v in step.items()} for step in given]
    errors = errors_of(model, given, truth)
    tensors = dict(model.named_parameters()) | dict(model.named_buffers())
    blocks = [
        tensor.nbytes
        for key, tensor in tensors.items()
        if key.startswith(("transformer_blocks.", "single_transformer_blocks."))
        and "norm" not in key
    ]
    return {
        "name": name,
        "dtype": dtype,
        "errors": errors,
        "linear_bytes": sum(blocks),
        "total_bytes": sum(tensor.nbytes for tensor in tensors.values()),
        "error": max(errors),
    }


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
    velocities(model, [step])
    for hook in hooks:
        hook.remove()
    return ratios


def as_text(result: dict[str, Any]) -> str:
    """Return the result as Markdown."""
    ratio = result["outlier_ratio"]
    head = ("scheme", "rest in", "error", "block layers, MB", "whole, MB")
    cells = [
        (row["name"], row["dtype"], f"{row['error']:.2%}", f"{row['linear_bytes'] / 1e6:.1f}",
         f"{row['total_bytes'] / 1e6:.1f}")
        for row in result["rows"]
    ]  # fmt: skip
    return (
        "# Quantised transformers\n\n"
        f"A random FLUX-Fill transformer of {result['parameters'] / 1e6:.0f} M parameters with "
        "outlier channels in every layer's input (what and why: `with_outliers` in "
        "`perf/diffusion/random_transformer.py`; input "
        f"activations of its block layers reach {ratio['least']:.0f} to {ratio['largest']:.0f} "
        f"times their median, {ratio['median']:.0f} in the middle one). Error of the velocity "
        "relative to float32, the largest of three timesteps. It ranks schemes and checks the "
        f"code; how published weights fare is not measured here.\n\n{table(head, cells)}\n"
        f"{result['tokens']} image and {result['text_tokens']} text tokens.\n\n"
        f"{as_markdown(result['source'])}"
    )


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("perf/results"))
def main(out: Path) -> None:
    """Compare each scheme's velocity with float32's, and write one table."""
    model = build_model(CONFIG)
    given = steps(CONFIG, SIDE, TEXT)
    truth = velocities(model, given)
    made = {name: quantised(model, scheme) for name, scheme in VARIANTS.items()}
    rows = [measure(name, own, given, truth) for name, own in {"plain": model, **made}.items()]
    rows += [measure(name, in_half(made[name]), given, truth, "float16") for name in HALVES]
    ratios = outlier_ratios(model, given[1]).values()
    result = {
        "source": provenance(
            " ".join(["python -m perf.diffusion.quantisation", *sys.argv[1:]]), PACKAGES
        ),
        "parameters": sum(value.numel() for value in model.parameters()),
        "config": dict(CONFIG),
        "tokens": SIDE**2,
        "text_tokens": TEXT,
        "outlier_ratio": {
            "least": min(ratios),
            "median": statistics.median(ratios),
            "largest": max(ratios),
        },
        "rows": rows,
    }
    text = as_text(result)
    publish(out, "quantisation", result, text)
    click.echo(text)


if __name__ == "__main__":
    main()
