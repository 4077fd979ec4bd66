"""Swapping networks whose answer is known, as ONNX files of inswapper's contract or nearly so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

FACE = (1, 3, 128, 128)
LATENT = (1, 512)
MAP = np.random.default_rng(5).normal(size=(512, 512)).astype(np.float32)


def same(folder: Path, *, dtype: int = TensorProto.FLOAT, latent_map: NDArray = MAP) -> Path:
    """A network that returns the face that it sees."""
    zero = np.zeros(1, helper.tensor_dtype_to_np_dtype(dtype))
    nodes = [
        helper.make_node("ReduceSum", ["source"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "zero"], ["nothing"]),
        helper.make_node("Add", ["target", "nothing"], ["output"]),
    ]
    return written(folder, nodes, {"zero": zero, "map": latent_map}, dtype=dtype)


def painting(folder: Path, picture: NDArray[np.float32]) -> Path:
    """A network that always draws one picture, [128, 128, 3] 0-1."""
    nodes = [
        helper.make_node("ReduceSum", ["source"], ["sum"], keepdims=0),
        helper.make_node("ReduceSum", ["target"], ["all"], keepdims=0),
        helper.make_node("Add", ["sum", "all"], ["both"]),
        helper.make_node("Mul", ["both", "zero"], ["nothing"]),
        helper.make_node("Add", ["picture", "nothing"], ["output"]),
    ]
    planes = picture.transpose(2, 0, 1)[None].astype(np.float32)
    return written(folder, nodes, {"zero": np.zeros(1, np.float32), "picture": planes, "map": MAP})


def written(
    folder: Path,
    nodes: list,
    weights: dict[str, NDArray],
    *,
    dtype: int = TensorProto.FLOAT,
    face: tuple = FACE,
    latent: tuple = LATENT,
    name: str = "inswapper_128.onnx",
) -> Path:
    """Write a file; its initializers are in the order of `weights`."""
    graph = helper.make_graph(
        nodes,
        "swapper",
        [
            helper.make_tensor_value_info("target", dtype, face),
            helper.make_tensor_value_info("source", dtype, latent),
        ],
        [helper.make_tensor_value_info("output", dtype, face)],
        [numpy_helper.from_array(np.ascontiguousarray(v), k) for k, v in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(model.SerializeToString())
    return folder
