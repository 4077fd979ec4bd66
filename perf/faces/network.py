"""A network of inswapper_128's published size with random weights, and what it computes.

Layers and shapes as `Model/Inswapper128_pytorch.py` of andrewyu90/Inswapper128_pytorch_unofficial
reads them off the published graph: four convolutions down to 1,024 channels at 32 px, six blocks of
two convolutions there, each normalised per channel and scaled and shifted by the latent (AdaIN),
and four convolutions up again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from perf.diffusion.flops import Work

FILE: Final = "inswapper_128.onnx"
# Of the published file, bytes: nearly all are 32-bit weights.
PUBLISHED_BYTES: Final = 554_253_681
LATENT: Final = 512
BLOCKS: Final = 6
WIDEST: Final = 1024
# What an AdaIN's kernels read and write, one by one, in passes over its values: two means, a
# difference, a square, two products, a sum, an activation.
ADAIN_PASSES: Final = 14


@dataclass(frozen=True)
class Convolution:
    """One convolution.

    Attributes:
        into: channels.
        out: channels.
        kernel: px.
        side: of its output, px.
        stride: px.
    """

    into: int
    out: int
    kernel: int
    side: int
    stride: int = 1

    @property
    def weights(self) -> int:
        """How many it has, biases included."""
        return self.into * self.out * self.kernel**2 + self.out

    @property
    def flop(self) -> int:
        """Of one run."""
        return 2 * self.into * self.out * self.kernel**2 * self.side**2


DOWN: Final = (
    Convolution(3, 128, 7, 128),
    Convolution(128, 256, 3, 128),
    Convolution(256, 512, 3, 64, 2),
    Convolution(512, WIDEST, 3, 32, 2),
)
MIDDLE: Final = Convolution(WIDEST, WIDEST, 3, 32)
UP: Final = (
    Convolution(WIDEST, 512, 3, 64),
    Convolution(512, 256, 3, 128),
    Convolution(256, 128, 3, 128),
    Convolution(128, 3, 7, 128),
)
_STYLE: Final = (LATENT + 1) * 2 * WIDEST


def work() -> Work:
    """Return what one face of 128 px takes."""
    every = (*DOWN, *(MIDDLE,) * (2 * BLOCKS), *UP)
    moved = sum(3 * each.out * each.side**2 for each in (*DOWN, *UP))
    moved += ADAIN_PASSES * 2 * BLOCKS * WIDEST * MIDDLE.side**2
    return Work(
        products=sum(each.flop for each in every) + 2 * BLOCKS * 2 * _STYLE,
        attention=0,
        weights=sum(each.weights for each in every) + 2 * BLOCKS * _STYLE,
        moved=moved,
        kernels=2 * len((*DOWN, *UP)) + 12 * 2 * BLOCKS,
    )


def build(folder: Path, seed: int = 0) -> None:
    """Write the network, 554 MB.

    Args:
        folder: is made.
        seed: of the weights.
    """
    graph = _Graph(np.random.default_rng(seed))
    x = "target"
    for i, each in enumerate(DOWN):
        x = graph.activated(graph.convolved(x, each, f"down{i}"), f"down{i}")
    for block in range(BLOCKS):
        name = f"block{block}"
        first = graph.styled(graph.convolved(x, MIDDLE, f"{name}a"), f"{name}a")
        graph.add("Relu", [first], f"{name}_relu")
        second = graph.styled(graph.convolved(f"{name}_relu", MIDDLE, f"{name}b"), f"{name}b")
        x = graph.add("Add", [x, second], f"{name}_sum")
    for i, each in enumerate(UP):
        if i < 2:
            x = graph.enlarged(x, f"up{i}")
        x = graph.convolved(x, each, f"up{i}")
        if i < len(UP) - 1:
            x = graph.activated(x, f"up{i}")
    graph.add("Sigmoid", [x], "output")
    graph.keep("map", graph.random((LATENT, LATENT), LATENT))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_bytes(graph.model().SerializeToString())


class _Graph:
    """A graph while it is put together."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._nodes: list[Any] = []
        self._weights: list[Any] = []

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def keep(self, name: str, values: NDArray[Any]) -> str:
        self._weights.append(numpy_helper.from_array(values, name))
        return name

    def random(self, shape: tuple[int, ...], into: int) -> NDArray[np.float32]:
        drawn = self._rng.standard_normal(shape, np.float32)
        return np.asarray(drawn * np.sqrt(2 / into), np.float32)

    def convolved(self, x: str, each: Convolution, name: str) -> str:
        shape = (each.out, each.into, each.kernel, each.kernel)
        weight = self.keep(f"{name}_w", self.random(shape, each.into * each.kernel**2))
        bias = self.keep(f"{name}_b", np.zeros(each.out, np.float32))
        pads = [each.kernel // 2] * 4
        return self.add(
            "Conv", [x, weight, bias], f"{name}_conv", pads=pads, strides=[each.stride] * 2
        )

    def activated(self, x: str, name: str) -> str:
        return self.add("LeakyRelu", [x], f"{name}_leaky", alpha=0.2)

    def enlarged(self, x: str, name: str) -> str:
        scales = self.keep(f"{name}_scales", np.array([1, 1, 2, 2], np.float32))
        return self.add("Resize", [x, "", scales], f"{name}_large", mode="linear")

    def styled(self, x: str, name: str) -> str:
        """Normalise each channel, then scale and shift it by the latent."""
        weight = self.keep(f"{name}_fc", self.random((LATENT, 2 * WIDEST), LATENT))
        bias = self.keep(f"{name}_fcb", np.ones(2 * WIDEST, np.float32))
        style = self.add("Gemm", ["source", weight, bias], f"{name}_style")
        axes = self.keep(f"{name}_axes", np.array([2, 3], np.int64))
        small = self.keep(f"{name}_eps", np.array(1e-8, np.float32))
        shaped = self.add("Unsqueeze", [style, axes], f"{name}_shaped")
        self._nodes.append(
            helper.make_node("Split", [shaped], [f"{name}_f", f"{name}_s"], axis=1, num_outputs=2)
        )
        mean = self.add("ReduceMean", [x, axes], f"{name}_mean")
        centred = self.add("Sub", [x, mean], f"{name}_centred")
        square = self.add("Mul", [centred, centred], f"{name}_square")
        variance = self.add("ReduceMean", [square, axes], f"{name}_variance")
        spread = self.add(
            "Sqrt", [self.add("Add", [variance, small], f"{name}_safe")], f"{name}_sd"
        )
        normed = self.add("Div", [centred, spread], f"{name}_normed")
        scaled = self.add("Mul", [normed, f"{name}_f"], f"{name}_scaled")
        return self.add("Add", [scaled, f"{name}_s"], f"{name}_out")

    def model(self) -> Any:
        face = [1, 3, 128, 128]
        graph = helper.make_graph(
            self._nodes,
            "random-inswapper",
            [
                helper.make_tensor_value_info("target", onnx.TensorProto.FLOAT, face),
                helper.make_tensor_value_info("source", onnx.TensorProto.FLOAT, [1, LATENT]),
            ],
            [helper.make_tensor_value_info("output", onnx.TensorProto.FLOAT, face)],
            self._weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
        model.ir_version = 9
        return model
