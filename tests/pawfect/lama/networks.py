"""Small ONNX files of the public contracts: random ones, and ones whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pawfect.lama.network import Network

RED = (255, 0, 0)
BLUE = (0, 0, 255)
Size = tuple[int, int] | None


def tensor(name: str, channels: int, size: Size, dtype: int = TensorProto.FLOAT):
    height, width = size or ("H", "W")
    return helper.make_tensor_value_info(name, dtype, [1, channels, height, width])


def constant(name: str, values: np.ndarray):
    return numpy_helper.from_array(np.ascontiguousarray(values), name)


def colour(name: str, rgb: tuple[int, int, int], white: float = 1.0):
    values = np.array(rgb, np.float32).reshape(1, 3, 1, 1) / 255 * white
    return constant(name, values.astype(np.float32))


def written(folder: Path, nodes, inputs, outputs, weights) -> Path:
    graph = helper.make_graph(nodes, "network", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.checker.check_model(model)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "network.onnx").write_bytes(model.SerializeToString())
    return folder


# Each below paints the hole red and all else blue, as its mask says.
_CHOOSE = [
    helper.make_node("Mul", ["hole", "red"], ["inside"]),
    helper.make_node("Sub", ["one", "hole"], ["kept"]),
    helper.make_node("Mul", ["kept", "blue"], ["outside"]),
    helper.make_node("Add", ["inside", "outside"], ["output"]),
]


def masked(folder: Path, size: Size = None) -> Path:
    """One input of four channels, 0-1; where the picture is not 0 in the hole, green is added."""
    nodes = [
        helper.make_node("Split", ["input", "parts"], ["picture", "hole"], axis=1),
        *_CHOOSE[:3],
        helper.make_node("Add", ["inside", "outside"], ["chosen"]),
        helper.make_node("Mul", ["picture", "hole"], ["leak"]),
        helper.make_node("Add", ["chosen", "leak"], ["output"]),
    ]
    weights = [
        constant("parts", np.array([3, 1], np.int64)),
        constant("one", np.ones((1, 1, 1, 1), np.float32)),
        colour("red", RED),
        colour("blue", BLUE),
    ]
    return written(folder, nodes, [tensor("input", 4, size)], [tensor("output", 3, size)], weights)


def pair(folder: Path, size: Size = (64, 64), white: float = 255.0) -> Path:
    """Picture and mask apart; the picture's own colours are returned outside the hole."""
    nodes = [
        helper.make_node("Mul", ["mask", "red"], ["inside"]),
        helper.make_node("Sub", ["one", "mask"], ["kept"]),
        helper.make_node("Mul", ["kept", "image"], ["known"]),
        helper.make_node("Mul", ["known", "white"], ["outside"]),
        helper.make_node("Add", ["inside", "outside"], ["output"]),
    ]
    weights = [
        constant("one", np.ones((1, 1, 1, 1), np.float32)),
        constant("white", np.full((1, 1, 1, 1), white, np.float32)),
        colour("red", RED, white),
    ]
    inputs = [tensor("image", 3, size), tensor("mask", 1, size)]
    return written(folder, nodes, inputs, [tensor("output", 3, size)], weights)


def pipeline(folder: Path) -> Path:
    """Bytes in and out, any size: the picture where the mask is 255, red where it is 0."""
    nodes = [
        helper.make_node("Cast", ["mask"], ["keep"], to=TensorProto.BOOL),
        helper.make_node("Where", ["keep", "image", "red"], ["result"]),
    ]
    red = np.array(RED, np.uint8).reshape(1, 3, 1, 1)
    byte = TensorProto.UINT8
    inputs = [tensor("image", 3, None, byte), tensor("mask", 1, None, byte)]
    outputs = [tensor("result", 3, None, byte)]
    return written(folder, nodes, inputs, outputs, [constant("red", red)])


def knowing(folder: Path, answer: np.ndarray, white: float = 1.0) -> Path:
    """One input of four channels; draws this picture, UINT8 [H, W, 3], whatever it is shown."""
    planes = answer.astype(np.float32).transpose(2, 0, 1)[None] / 255 * white
    size = answer.shape[:2]
    nodes = [
        helper.make_node("ReduceSum", ["input"], ["sum"], keepdims=1),
        helper.make_node("Mul", ["sum", "zero"], ["nothing"]),
        helper.make_node("Add", ["answer", "nothing"], ["output"]),
    ]
    weights = [
        constant("answer", planes.astype(np.float32)),
        constant("zero", np.zeros(1, np.float32)),
    ]
    return written(folder, nodes, [tensor("input", 4, size)], [tensor("output", 3, size)], weights)


def random(folder: Path, channels: int = 4) -> Path:
    """One convolution of random weights, of any size."""
    rng = np.random.default_rng(1)
    nodes = [
        helper.make_node("Conv", ["input", "weight"], ["wide"], pads=[1, 1, 1, 1]),
        helper.make_node("Sigmoid", ["wide"], ["output"]),
    ]
    weight = rng.normal(size=(3, channels, 3, 3)).astype(np.float32)
    inputs, outputs = [tensor("input", channels, None)], [tensor("output", 3, None)]
    return written(folder, nodes, inputs, outputs, [constant("weight", weight)])


def deep(folder: Path, layers: int) -> Path:
    """So many convolutions that change nothing: all together take long, and each of them little."""
    weight = np.zeros((8, 8, 3, 3), np.float32)
    weight[range(8), range(8), 1, 1] = 1
    same = {"pads": [1, 1, 1, 1]}
    nodes = [helper.make_node("Concat", ["input", "input"], ["0"], axis=1)]
    nodes += [
        helper.make_node("Conv", [str(i), "weight"], [str(i + 1)], **same) for i in range(layers)
    ]
    cuts = [constant(name, np.array([n], np.int64)) for name, n in (("0c", 0), ("3c", 3))]
    axis = constant("axis", np.array([1], np.int64))
    nodes.append(helper.make_node("Slice", [str(layers), "0c", "3c", "axis"], ["output"]))
    inputs, outputs = [tensor("input", 4, None)], [tensor("output", 3, None)]
    return written(folder, nodes, inputs, outputs, [constant("weight", weight), axis, *cuts])


def greedy(folder: Path) -> Path:
    """One that asks for 16 TB."""
    nodes = [
        helper.make_node("Expand", ["zero", "huge"], ["large"]),
        helper.make_node("ReduceSum", ["large"], ["nothing"], keepdims=0),
        helper.make_node("Slice", ["input", "from", "to", "axis"], ["picture"]),
        helper.make_node("Add", ["picture", "nothing"], ["output"]),
    ]
    places = (("from", 0), ("to", 3), ("axis", 1), ("huge", 2**42))
    weights = [constant(name, np.array([at], np.int64)) for name, at in places]
    weights.append(constant("zero", np.zeros(1, np.float32)))
    inputs, outputs = [tensor("input", 4, None)], [tensor("output", 3, None)]
    return written(folder, nodes, inputs, outputs, weights)


def loaded(folder: Path) -> Network:
    return Network.load(folder, threads=1)
