"""InSPyReNet's published checkpoints as ONNX; run by the Python of an environment of its own.

It imports nothing of this project: `pawfect_export.inspyrenet` makes the environment, fetches the
checkpoint and runs this file there. The network is `transparent_background`'s own (Kim et al.,
"Revisiting Image Pyramid Structure for High Resolution Salient Object Detection", ACCV 2022). Its
forward pass ends with a stretch from the least to the largest value, which the files leave to who
runs them: without it they say whether there is a subject at all.
"""

from __future__ import annotations

import argparse
import builtins
import json
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime
import torch

OPSET: Final = 17
IMAGE: Final = "image"
ALPHA: Final = "alpha"
# What the package normalises with (ImageNet's), for the pictures that files are checked on.
MEAN: Final = (0.485, 0.456, 0.406)
STD: Final = (0.229, 0.224, 0.225)
# px: every stage of the backbone pads this size to whole windows (of 12, or of 4 in a small one),
# so that the padding is in the trace; sizes that need none pass through it with nothing added.
TRACED: Final = (416, 352)
# Largest difference of alpha from the class, half of one of 255 steps: the attention sums features
# over all of base x base positions, which differs by rounding from library to library.
MAX_DIFFERENCE: Final = 2e-3


class Unstretched(torch.nn.Module):
    """A network's forward pass up to its sigmoid."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network: Any = network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return [1, 1, H, W], 0 to 1, of a picture [1, 3, H, W], normalised."""
        largest: torch.Tensor = self.network.forward_inspyre(image)["saliency"][-1]
        return torch.sigmoid(largest)


def stretched(alpha: Any) -> Any:
    """Return what the class makes of it in the end."""
    return (alpha - alpha.min()) / (alpha.max() - alpha.min() + 1e-8)


def load(checkpoint: Path, base: int) -> torch.nn.Module:
    """Return the published network with a checkpoint's weights.

    Args:
        checkpoint: a state dict, read as plain tensors: no code of it runs.
        base: px, the side that its attention pools to: 1024, or 384 of the fast one.
    """
    from transparent_background.InSPyReNet import InSPyReNet_SwinB

    network: torch.nn.Module = InSPyReNet_SwinB(
        depth=64, pretrained=False, base_size=[base, base], threshold=None
    )
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    network.load_state_dict(state, strict=True)
    return network.eval()


def write(network: torch.nn.Module, path: Path) -> None:
    """Write a network as ONNX: `image` [1, 3, H, W] normalised to `alpha` [1, 1, H, W], 0-1.

    Alpha is not stretched. Height and width are free multiples of 32. The backbone's code counts
    windows in Python's own numbers, which a trace would keep as constants; for the trace its `int`
    and `np.ceil` are ones that also take sizes under trace.
    """
    from transparent_background.backbones import SwinTransformer

    axes = {name: {2: "height", 3: "width"} for name in (IMAGE, ALPHA)}
    own = SwinTransformer.np
    SwinTransformer.int = _integer
    SwinTransformer.np = SimpleNamespace(ceil=_ceil)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            # What the tracer takes for constants is right for every size: the checks show it.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                # As the network is: the exporter puts back the mode that it found.
                Unstretched(network).eval(),
                (torch.zeros(1, 3, *TRACED),),
                str(path),
                input_names=[IMAGE],
                output_names=[ALPHA],
                dynamic_axes=axes,
                opset_version=OPSET,
                dynamo=False,
            )
    finally:
        SwinTransformer.np = own
        del SwinTransformer.int
    _name_shape(path)


def difference(network: torch.nn.Module, path: Path, size: tuple[int, int]) -> float:
    """Return the largest difference of a file's alpha from the class's at one height and width."""
    image = picture(size)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (got,) = session.run([ALPHA], {IMAGE: image})
    with torch.no_grad():
        expected = network(torch.from_numpy(image)).numpy()
    if got.shape != expected.shape:
        raise ValueError(f"expected {expected.shape}, got {got.shape}")
    return float(np.abs(stretched(got) - expected).max())


def picture(size: tuple[int, int], seed: int = 0) -> Any:
    """Return a smooth random picture as the network takes it: float32 [1, 3, H, W], normalised."""
    coarse = torch.rand(1, 3, 9, 7, generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.interpolate(coarse, size, mode="bicubic").clip(0, 1).numpy()
    mean, std = (np.array(values, np.float32).reshape(1, 3, 1, 1) for values in (MEAN, STD))
    return (smooth - mean) / std


def main(arguments: Sequence[str] | None = None) -> None:
    """Write and check one file, and print the differences as JSON by size."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--base", type=int, required=True, help="px: 1024, or 384 of the fast one")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    network = load(options.checkpoint, options.base)
    write(network, options.out)
    base = options.base
    sizes = [(base, base), (base, base * 3 // 2), TRACED]
    found = {
        f"{height}x{width}": difference(network, options.out, (height, width))
        for height, width in sizes
    }
    sys.stdout.write(json.dumps(found) + "\n")
    worst = max(found.values())
    if not worst <= MAX_DIFFERENCE:
        options.out.unlink()
        sys.exit(f"expected a difference of at most {MAX_DIFFERENCE}, got {worst:.2g}")


def _integer(value: Any) -> Any:
    """Return a whole number; a size under trace stays one."""
    if isinstance(value, torch.Tensor):
        # To the nearest: a quotient that is whole may come a last bit below.
        return torch.round(value).to(torch.int64)
    return builtins.int(value)


def _ceil(value: Any) -> Any:
    return torch.ceil(value) if isinstance(value, torch.Tensor) else np.ceil(value)


def _name_shape(path: Path) -> None:
    """Say in the file what the exporter does not see: batch and channels of the output are one."""
    model = onnx.load(str(path))
    for axis in model.graph.output[0].type.tensor_type.shape.dim[:2]:
        axis.dim_value = 1
    onnx.save(model, str(path))
    onnx.checker.check_model(str(path), full_check=True)


if __name__ == "__main__":
    main()
