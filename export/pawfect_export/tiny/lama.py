"""A tiny inpainting network as ONNX: random weights, the contract of the published file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

WIDTH: Final = 8
FILE: Final = "lama_512_int8.onnx"
# What onnxruntime 1.31 and those of some years before it read.
OPSET: Final = 17
IR_VERSION: Final = 9


def build(folder: Path, seed: int = 0) -> None:
    """Write the network: `input` [1, 4, H, W] to `output` [1, 3, H, W], 0-1, of any size.

    Args:
        folder: is made.
        seed: of the weights.
    """
    rng = np.random.default_rng(seed)
    nodes = [
        helper.make_node("Conv", ["input", "first"], ["wide"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["wide"], ["kept"]),
        helper.make_node("Conv", ["kept", "last"], ["narrow"], pads=[1, 1, 1, 1]),
        helper.make_node("Sigmoid", ["narrow"], ["output"]),
    ]
    weights = [
        numpy_helper.from_array(_random(rng, WIDTH, 4), "first"),
        numpy_helper.from_array(_random(rng, 3, WIDTH), "last"),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny-lama",
        [helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, [1, 4, "H", "W"])],
        [helper.make_tensor_value_info("output", onnx.TensorProto.FLOAT, [1, 3, "H", "W"])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_bytes(model.SerializeToString(deterministic=True))


def _random(rng: np.random.Generator, out: int, into: int) -> NDArray[np.float32]:
    values = rng.normal(size=(out, into, 3, 3)) / np.sqrt(9 * into)
    return np.asarray(values, np.float32)
