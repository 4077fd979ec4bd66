"""Small ONNX files whose map is known: the red of the picture, or what a test asks for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pawfect.matting.networks import Network, parse_networks

SIZE = 64
PLAIN = {
    "weights": "small",
    "views": [{"size": SIZE, "resize": "static", "file": "small.onnx"}],
    "mean": [0.0, 0.0, 0.0],
    "std": [1.0, 1.0, 1.0],
    "white": "255",
    "resample": "bilinear",
    "enlarge": "bilinear",
    "sigmoid": False,
    "stretch": False,
}


def network(name: str = "small", **change: object) -> Network:
    return parse_networks({name: PLAIN | change})[name]


def red(
    folder: Path,
    size: int | None = SIZE,
    *,
    file: str = "small.onnx",
    scale: float = 1.0,
    channels: int = 3,
    outputs: int = 1,
) -> Path:
    """Write a file that gives the red plane, `scale` times; `size` None: sides are left open."""
    sides = [size, size] if size else ["H", "W"]
    picture = helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, channels, *sides])
    given = [
        helper.make_tensor_value_info(f"map{i}", TensorProto.FLOAT, [1, 1, *sides])
        for i in range(outputs)
    ]
    weights = [
        numpy_helper.from_array(np.array([0], np.int64), "zero"),
        numpy_helper.from_array(np.array(scale, np.float32), "scale"),
    ]
    nodes = [
        helper.make_node("Gather", ["picture", "zero"], ["plane"], axis=1),
        *[helper.make_node("Mul", ["plane", "scale"], [f"map{i}"]) for i in range(outputs)],
    ]
    graph = helper.make_graph(nodes, "network", [picture], given, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.checker.check_model(model)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).write_bytes(model.SerializeToString())
    return folder
