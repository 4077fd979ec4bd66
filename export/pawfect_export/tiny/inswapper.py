"""A tiny face swapper as ONNX: the contract of the published file, and a known, mild mix.

The face that it draws is the one that it is shown, tinted by the latent: each of 4 x 4 cells per
channel by up to AMPLITUDE, `tanh(latent @ tint)` of that, enlarged smoothly. The latent's map comes
last among the initializers, where INSwapper reads it; the graph itself does not use it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

FILE: Final = "inswapper_128.onnx"
SIDE: Final = 128
WIDTH: Final = 512
CELLS: Final = 4
# Of 0 to 1: seen at once, and the face stays one.
AMPLITUDE: Final = 0.12
# As of the other tiny networks.
OPSET: Final = 17
IR_VERSION: Final = 9


def build(folder: Path, seed: int = 0) -> None:
    """Write the network: `target` [1, 3, 128, 128] and `source` [1, 512] to `output`, 0-1.

    Args:
        folder: is made.
        seed: of the tint and the map.
    """
    rng = np.random.default_rng(seed)
    # A latent has length 1: so each cell's number is about normal.
    tint = rng.normal(size=(WIDTH, 3 * CELLS * CELLS))
    latent_map = rng.normal(size=(WIDTH, WIDTH)) / np.sqrt(WIDTH)
    nodes = [
        helper.make_node("MatMul", ["source", "tint"], ["mixed"]),
        helper.make_node("Tanh", ["mixed"], ["bounded"]),
        helper.make_node("Mul", ["bounded", "amplitude"], ["cells_flat"]),
        helper.make_node("Reshape", ["cells_flat", "cells_shape"], ["cells"]),
        helper.make_node(
            "Resize",
            ["cells", "", "", "full_shape"],
            ["tints"],
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        ),
        helper.make_node("Add", ["target", "tints"], ["tinted"]),
        helper.make_node("Clip", ["tinted", "black", "white"], ["output"]),
    ]
    values = {
        "tint": tint.astype(np.float32),
        "amplitude": np.array([AMPLITUDE], np.float32),
        "cells_shape": np.array([1, 3, CELLS, CELLS], np.int64),
        "full_shape": np.array([1, 3, SIDE, SIDE], np.int64),
        "black": np.array(0, np.float32),
        "white": np.array(1, np.float32),
        "map": latent_map.astype(np.float32),
    }
    face = [1, 3, SIDE, SIDE]
    graph = helper.make_graph(
        nodes,
        "tiny-inswapper",
        [
            helper.make_tensor_value_info("target", onnx.TensorProto.FLOAT, face),
            helper.make_tensor_value_info("source", onnx.TensorProto.FLOAT, [1, WIDTH]),
        ],
        [helper.make_tensor_value_info("output", onnx.TensorProto.FLOAT, face)],
        [numpy_helper.from_array(array, name) for name, array in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_bytes(model.SerializeToString(deterministic=True))
