"""Parts of the models as ONNX, the way to TensorRT engines; each checked before it is kept.

Sizes that requests change stay dynamic: the batch, FLUX's image and text tokens, the height and
width of Florence-2's picture. SAM3's encoder has rotary positions for one picture size built in, so
that only its batch is dynamic.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import numpy as np
import onnx
import onnxruntime
import torch
from torch.jit._trace import TracerWarning

from pawfect_export.onnx_parts import FAMILIES, Inputs, Part

# Largest |onnx - torch| over the largest |torch| of an output that a part may show.
MAX_DIFFERENCE: Final = 1e-3


def write(part: Part, folder: Path) -> Path:
    """Write one part as `folder/NAME.onnx`, check it, and return its path.

    Raises:
        ValueError: where onnxruntime's outputs differ by more than MAX_DIFFERENCE from torch's, at
            the traced size or at another one; the file is gone then.
        onnx.checker.ValidationError: where onnx finds the file wrong.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{part.name}.onnx"
    part.module.eval().requires_grad_(False)
    with _quiet():
        if part.traced:
            _trace(part, path)
        else:
            _export(part, path)
    onnx.checker.check_model(str(path), full_check=True)
    for batch in (1, 2, 3):
        differing = difference(path, part.module, part.inputs(batch))
        if not differing <= MAX_DIFFERENCE:
            path.unlink()
            expected = f"a difference of at most {MAX_DIFFERENCE}"
            raise ValueError(f"{part.name}: expected {expected}, got {differing:.2g}")
    return path


def difference(path: Path, module: torch.nn.Module, inputs: Inputs) -> float:
    """Return the largest difference of any output from torch's, over that output's largest value.

    Args:
        path: of the ONNX file.
        module: what it was written from.
        inputs: of both.
    """
    with torch.inference_mode():
        given = module(**inputs)
    expected = given if isinstance(given, tuple | list) else (given,)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
    got = [np.asarray(output) for output in session.run(None, arrays)]
    return max(
        float(np.abs(one - other.numpy()).max() / np.abs(other.numpy()).max())
        for one, other in zip(got, expected, strict=True)
    )


def _export(part: Part, path: Path) -> None:
    axes = {name for dynamic in part.dynamic.values() for name in dynamic.values()}
    dims = {name: torch.export.Dim(name) for name in axes}
    shapes = {
        name: {axis: dims[label] for axis, label in dynamic.items()}
        for name, dynamic in part.dynamic.items()
    }
    program = torch.onnx.export(
        part.module,
        kwargs=part.inputs(2),
        dynamo=True,
        dynamic_shapes=shapes,
        output_names=list(part.outputs),
        verbose=False,
    )
    if program is None:
        raise ValueError(f"{part.name}: expected an ONNX program, got none")
    program.save(path)


def _trace(part: Part, path: Path) -> None:
    torch.onnx.export(
        part.module,
        tuple(part.inputs(2).values()),
        str(path),
        dynamo=False,
        input_names=list(part.dynamic),
        output_names=list(part.outputs),
        dynamic_axes={name: dict(axes) for name, axes in part.dynamic.items()},
        # The newest that the older exporter writes without conversion and TensorRT 8.6 reads.
        opset_version=17,
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what torch's exporters say about themselves, same axes and settled branches."""
    with warnings.catch_warnings():
        for message, category in (
            (r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning),
            (r"# The axis name: ", UserWarning),
            (r"You are using the legacy TorchScript-based ONNX export", DeprecationWarning),
            (r"The feature will be removed", DeprecationWarning),
            # Branches that tracing settles; `write` checks other sizes than the traced one.
            (r"Converting a tensor to a Python", TracerWarning),
        ):
            warnings.filterwarnings("ignore", message, category)
        yield


@click.command("onnx")
@click.argument("family", type=click.Choice(sorted(FAMILIES)))
@click.option("--weights", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True)
def main(family: str, weights: Path, out: Path) -> None:
    """Write the parts of a family in the folder WEIGHTS to OUT as ONNX, checked against torch."""
    for part in FAMILIES[family](weights):
        click.echo(write(part, out))


if __name__ == "__main__":
    main()
