"""Networks at buffalo_l's contracts that find real faces: CenterFace's graph and two made ones.

File and tensor names, sizes and outputs are those of the published files. The detector is
CenterFace (heat, sizes, offsets and points at stride 4) whose answers are laid out as SCRFD's; the
landmarks are one face's, the same for all but for a shift by the crop's brightness; the embedding
is a random projection of the crop's colours and edges, so that the same picture is like itself and
a changed one less so. It says nothing of who somebody is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from pawfect_export.tiny.faces_points import canonical_landmarks
from pawfect_export.tiny.lama import IR_VERSION, OPSET

DETECTOR: Final = "det_10g.onnx"
LANDMARKS: Final = "2d106det.onnx"
EMBEDDER: Final = "w600k_r50.onnx"
CENTERFACE_FILE: Final = "centerface.onnx"
# px for one cell of CenterFace's maps.
STRIDE: Final = 4
# SCRFD's outputs by stride 8, 16, 32: scores, distances, points.
OUTPUTS: Final = (("448", "471", "494"), ("451", "474", "497"), ("454", "477", "500"))
# Planes beside the score: four distances, five points.
PLANES: Final = 14
EMBEDDED: Final = 512
# Cells along each side of the crop of 112 px whose colours and edges are looked at.
CELLS: Final = 8
# Norm of an embedding, about: ArcFace's are 10 to 30 long.
NORM: Final = 20.0


def build(folder: Path, centerface: Path, seed: int = 0) -> None:
    """Write the three networks.

    Args:
        folder: is made.
        centerface: the entry's folder.
        seed: of the embedding's projection.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        DETECTOR: _detector(onnx.load(centerface / CENTERFACE_FILE)),
        LANDMARKS: _landmarks(),
        EMBEDDER: _embedder(np.random.default_rng(seed)),
    }
    for name, graph in made.items():
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model)
        (folder / name).write_bytes(model.SerializeToString(deterministic=True))


class _Graph:
    """Nodes and constants as they are written down, one after the other."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def node(self, kind: str, *inputs: str, out: str, name: str = "", **attributes: Any) -> str:
        """Add a node of one output; return that output's name."""
        self.nodes.append(helper.make_node(kind, list(inputs), [out], name=name, **attributes))
        return out

    def constant(self, name: str, values: object, dtype: type = np.float32) -> str:
        """Add a constant; return its name."""
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name


def _detector(centerface: onnx.ModelProto) -> onnx.GraphProto:
    """Return SCRFD's contract around CenterFace."""
    graph = _Graph()
    inner = centerface.graph
    given = {name.name for name in inner.initializer}
    (taken,) = (tensor.name for tensor in inner.input if tensor.name not in given)
    # What SCRFD's own code makes of 0 to 255.
    graph.constant("std", 128.0)
    graph.constant("mean", 127.5)
    graph.node("Mul", "input.1", "std", out="scaled")
    graph.node("Add", "scaled", "mean", out="pixels")
    for node in inner.node:
        copied = onnx.NodeProto()
        copied.CopyFrom(node)
        own = {one: f"cf.{one}" for one in (*node.input, *node.output)} | {taken: "pixels"}
        copied.input[:] = [own[one] for one in node.input]
        copied.output[:] = [own[one] for one in node.output]
        graph.nodes.append(copied)
    for constant in inner.initializer:
        kept = onnx.TensorProto()
        kept.CopyFrom(constant)
        kept.name = f"cf.{constant.name}"
        graph.constants.append(kept)
    heat, sizes, offsets, points = (f"cf.{tensor.name}" for tensor in inner.output)
    _grid(graph, heat)
    _boxes(graph, sizes, offsets)
    _distances(graph, points)
    _by_anchors(graph, heat)
    for place, pool in ((1, 4), (2, 8)):
        _nothing(graph, heat, place, pool)
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [f"anchors{place}", width])
        for kind, width in zip(OUTPUTS, (1, 4, 10), strict=True)
        for place, name in enumerate(kind)
    ]
    sides = helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [1, 3, "H", "W"])
    return helper.make_graph(graph.nodes, "tiny-scrfd", [sides], outputs, graph.constants)


def _grid(graph: _Graph, heat: str) -> None:
    """Add `xs` [1, 1, 1, w] and `ys` [1, 1, h, 1], cells, and the picture's `width`, `height`."""
    graph.node("Shape", heat, out="shape")
    graph.constant("zero_cell", 0, np.int64)
    graph.constant("one_cell", 1, np.int64)
    graph.constant("stride", float(STRIDE))
    for axis, name, side, form in (
        (3, "xs", "width", (1, 1, 1, -1)),
        (2, "ys", "height", (1, 1, -1, 1)),
    ):
        place = graph.constant(f"{name}.axis", axis, np.int64)
        form_name = graph.constant(f"{name}.form", form, np.int64)
        cells = graph.node("Gather", "shape", place, out=f"{name}.cells")
        counted = graph.node("Range", "zero_cell", cells, "one_cell", out=f"{name}.counted")
        laid = graph.node("Reshape", counted, form_name, out=f"{name}.laid")
        graph.node("Cast", laid, out=name, to=TensorProto.FLOAT)
        number = graph.node("Cast", cells, out=f"{name}.number", to=TensorProto.FLOAT)
        graph.node("Mul", number, "stride", out=side)


def _boxes(graph: _Graph, sizes: str, offsets: str) -> None:
    """Add `x0`, `y0`, `x1`, `y1` and the sizes `tall` and `wide` of each cell's box, px."""
    graph.constant("nought", 0.0)
    graph.constant("half", 0.5)
    graph.constant("axis", 1, np.int64)
    for index, (side, cells, low, high, bound) in enumerate(
        (("tall", "ys", "y0", "y1", "height"), ("wide", "xs", "x0", "x1", "width"))
    ):
        place = graph.constant(f"{side}.place", [index], np.int64)
        raw = graph.node("Gather", sizes, place, out=f"{side}.raw", axis=1)
        grown = graph.node("Exp", raw, out=f"{side}.grown")
        size = graph.node("Mul", grown, "stride", out=side)
        offset = graph.node("Gather", offsets, place, out=f"{side}.offset", axis=1)
        moved = graph.node("Add", cells, offset, out=f"{side}.moved")
        middle = graph.node("Add", moved, "half", out=f"{side}.middle")
        at = graph.node("Mul", middle, "stride", out=f"{side}.at")
        half = graph.node("Mul", size, "half", out=f"{side}.half")
        start = graph.node("Sub", at, half, out=f"{side}.start")
        kept = graph.node("Max", start, "nought", out=f"{side}.kept")
        first = graph.node("Min", kept, bound, out=low)
        end = graph.node("Add", first, size, out=f"{side}.end")
        graph.node("Min", end, bound, out=high)


def _distances(graph: _Graph, points: str) -> None:
    """Add `planes` [1, 14, h, w]: sides and points from the anchor, in strides of 8 px."""
    graph.constant("two", 2.0)
    graph.constant("eight", 8.0)
    for cells, name in (("xs", "ax"), ("ys", "ay")):
        pairs = graph.node("Div", cells, "two", out=f"{name}.pairs")
        whole = graph.node("Floor", pairs, out=f"{name}.whole")
        graph.node("Mul", whole, "eight", out=name)
    signed = [("ax", "x0"), ("ay", "y0"), ("x1", "ax"), ("y1", "ay")]
    for index in range(5):
        # CenterFace gives y before x, as shares of the box from its corner.
        for axis, size, corner, anchor, order in (
            ("x", "wide", "x0", "ax", 1),
            ("y", "tall", "y0", "ay", 0),
        ):
            name = f"point{index}{axis}"
            place = graph.constant(f"{name}.place", [2 * index + order], np.int64)
            share = graph.node("Gather", points, place, out=f"{name}.share", axis=1)
            within = graph.node("Mul", share, size, out=f"{name}.within")
            signed.append((graph.node("Add", within, corner, out=name), anchor))
    planes = []
    for index, (minuend, subtrahend) in enumerate(signed):
        apart = graph.node("Sub", minuend, subtrahend, out=f"apart{index}")
        planes.append(graph.node("Div", apart, "eight", out=f"plane{index}"))
    graph.node("Concat", *planes, out="planes", axis=1)


def _by_anchors(graph: _Graph, heat: str) -> None:
    """Add the outputs of stride 8: of each four cells the two hottest are the two anchors."""
    forms = {
        "four.form": (4, -1),
        "four.planes": (4, PLANES, -1),
        "pick.form": (0, 2, 1),
        "pick.wide": (1, 1, PLANES),
        "score.form": (-1, 1),
        "rest.form": (-1, PLANES),
    }
    for name, form in forms.items():
        graph.constant(name, form, np.int64)
    graph.constant("pick.two", [2], np.int64)
    graph.constant("split", [4, 10], np.int64)
    deep = graph.node("SpaceToDepth", heat, out="heat.deep", blocksize=2)
    flat = graph.node("Reshape", deep, "four.form", out="heat.flat")
    fours = graph.node("Transpose", flat, out="heat.fours", perm=[1, 0])
    graph.nodes.append(helper.make_node("TopK", [fours, "pick.two"], ["hottest", "places"], axis=1))
    graph.node("Reshape", "hottest", "score.form", out=OUTPUTS[0][0])
    deep = graph.node("SpaceToDepth", "planes", out="planes.deep", blocksize=2)
    flat = graph.node("Reshape", deep, "four.planes", out="planes.flat")
    rows = graph.node("Transpose", flat, out="planes.fours", perm=[2, 0, 1])
    picked = graph.node("Reshape", "places", "pick.form", out="picked")
    wide = graph.node("Expand", picked, "pick.wide", out="picked.wide")
    taken = graph.node("GatherElements", rows, wide, out="taken", axis=1)
    flat = graph.node("Reshape", taken, "rest.form", out="taken.flat")
    outs = [OUTPUTS[1][0], OUTPUTS[2][0]]
    graph.nodes.append(helper.make_node("Split", [flat, "split"], outs, axis=1))


def _nothing(graph: _Graph, heat: str, place: int, pool: int) -> None:
    """Add a coarser stride's outputs, of the right shapes: no face is ever found there."""
    name = f"none{place}"
    sides: Any = {"kernel_shape": [pool, pool], "strides": [pool, pool]}
    pooled = graph.node("MaxPool", heat, out=f"{name}.pooled", **sides)
    cold = graph.node("Mul", pooled, "nought", out=f"{name}.cold")
    both = graph.node("Concat", cold, cold, out=f"{name}.both", axis=1)
    scores = graph.node("Reshape", both, "score.form", out=OUTPUTS[0][place])
    for kind, width in ((1, 4), (2, 10)):
        zeros = graph.constant(f"{name}.zeros{width}", np.zeros((1, width)))
        graph.node("MatMul", scores, zeros, out=OUTPUTS[kind][place])


def _landmarks() -> onnx.GraphProto:
    """Return the landmarks: `data` [N, 3, 192, 192], 0 to 255, to `fc1` [N, 212], -1 to 1."""
    graph = _Graph()
    # The names of the published file's first nodes say that it takes what is not normalised.
    graph.constant("mean", 127.5)
    graph.constant("std", 1 / 128)
    graph.node("Sub", "data", "mean", out="centred", name="_minusscalar0")
    graph.node("Mul", "centred", "std", out="normal", name="_mulscalar0")
    graph.node("ReduceMean", "normal", out="bright", axes=[1, 2, 3], keepdims=0)
    graph.constant("column", (-1, 1), np.int64)
    graph.node("Reshape", "bright", "column", out="bright.column")
    # Half a px of the crop at most: that a network looked at it at all can be told.
    graph.constant("shift", np.full((1, 2 * 106), 0.005))
    graph.constant("face", canonical_landmarks().reshape(1, -1))
    graph.node("MatMul", "bright.column", "shift", out="moved")
    graph.node("Add", "moved", "face", out="fc1")
    given = helper.make_tensor_value_info("data", TensorProto.FLOAT, ["N", 3, 192, 192])
    out = helper.make_tensor_value_info("fc1", TensorProto.FLOAT, ["N", 212])
    return helper.make_graph(graph.nodes, "tiny-landmarks", [given], [out], graph.constants)


def _embedder(rng: np.random.Generator) -> onnx.GraphProto:
    """Return the embedder: `input.1` [N, 3, 112, 112], -1 to 1, to `683` [N, 512]."""
    graph = _Graph()
    graph.constant("edges", _edge_filters())
    edges = graph.node("Conv", "input.1", "edges", out="edges.raw", pads=[1, 1, 1, 1], group=3)
    size = graph.node("Abs", edges, out="edges.size")
    seen = graph.node("Concat", "input.1", size, out="seen", axis=1)
    cell = 112 // CELLS
    sides: Any = {"kernel_shape": [cell, cell], "strides": [cell, cell]}
    pooled = graph.node("AveragePool", seen, out="pooled", **sides)
    flat = graph.node("Flatten", pooled, out="flat")
    mean = graph.node("ReduceMean", flat, out="flat.mean", axes=[1], keepdims=1)
    apart = graph.node("Sub", flat, mean, out="apart")
    features = 9 * CELLS * CELLS
    projection = rng.normal(size=(features, EMBEDDED)) / np.sqrt(EMBEDDED)
    graph.constant("projection", projection)
    projected = graph.node("MatMul", apart, "projection", out="projected")
    squared = graph.node("ReduceL2", projected, out="length", axes=[1], keepdims=1)
    graph.constant("least", 1e-6)
    graph.constant("norm", NORM)
    some = graph.node("Max", squared, "least", out="length.some")
    unit = graph.node("Div", projected, some, out="unit")
    graph.node("Mul", unit, "norm", out="683")
    given = helper.make_tensor_value_info("input.1", TensorProto.FLOAT, ["N", 3, 112, 112])
    out = helper.make_tensor_value_info("683", TensorProto.FLOAT, ["N", EMBEDDED])
    return helper.make_graph(graph.nodes, "tiny-arcface", [given], [out], graph.constants)


def _edge_filters() -> NDArray[np.float32]:
    """Return [6, 1, 3, 3]: of each colour the slope across and down (Sobel)."""
    across = np.outer((1, 2, 1), (-1, 0, 1)) / 4
    return np.tile(np.stack([across, across.T])[:, None], (3, 1, 1, 1)).astype(np.float32)
