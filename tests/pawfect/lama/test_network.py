"""Networks of each contract: told by their tensors, called as published, refused with a reason."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.lama.contract import MASKED, PAIR, PIPELINE, contract_of
from pawfect.lama.network import Network
from pawfect.onnx.session import Tensor
from tests.pawfect.lama import networks
from tests.pawfect.lama.networks import RED, loaded, tensor, written
from tests.refusals import refusal


def described(name: str, kind: str, *shape: int | str | None) -> Tensor:
    return Tensor(name, f"tensor({kind})", shape)


PUBLISHED = {
    "g-ronimo/lama lama_512_int8": (
        [described("input", "float", 1, 4, 512, 512)],
        [described("output", "float", 1, 3, 512, 512)],
        (MASKED, "input", None, (512, 512)),
    ),
    "g-ronimo/lama lama_int8": (
        [described("input", "float", 1, 4, "height", "width")],
        [described("output", "float", 1, 3, "h", "w")],
        (MASKED, "input", None, None),
    ),
    "Carve/LaMa-ONNX": (
        [described("image", "float", "batch", 3, 512, 512),
         described("mask", "float", "batch", 1, 512, 512)],
        [described("output", "float", "batch", 3, 512, 512)],
        (PAIR, "image", "mask", (512, 512)),
    ),
    "MI-GAN pipeline": (
        [described("image", "uint8", "batch_size", 3, "height", "width"),
         described("mask", "uint8", "batch_size", 1, "height", "width")],
        [described("result", "uint8", None, None, None, None)],
        (PIPELINE, "image", "mask", (512, 512)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("file", PUBLISHED)
def test_a_published_file_is_told_by_its_tensors_in_any_order(file):
    inputs, outputs, expected = PUBLISHED[file]
    for given in (inputs, inputs[::-1]):
        contract = contract_of(given, outputs)
        assert (contract.kind, contract.picture, contract.mask, contract.size) == expected


FLOATS = ("float", 1, 3, 64, 64)


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ([("x", "float", 1, 3, 224, 224)], [("y", "float", 1, 1000)]),
        ([("x", "float", 1, 3, 64, 64)], [("y", *FLOATS)]),
        ([("x", "float", 1, 4, 64, 64)], [("y", "float", 1, 1, 64, 64)]),
        ([("x", "uint8", 1, 4, 64, 64)], [("y", "uint8", 1, 3, 64, 64)]),
        ([("x", "float", 2, 4, 64, 64)], [("y", *FLOATS)]),
        ([("x", *FLOATS), ("m", "int64", 1, 1, 64, 64)], [("y", *FLOATS)]),
        ([("x", *FLOATS), ("y", *FLOATS)], [("z", *FLOATS)]),
        ([("x", "uint8", 1, 3, 64, 64), ("m", "uint8", 1, 1, 64, 64)], [("y", *FLOATS)]),
        ([("x", "float", 1, 4, 64, 64), ("s", "float", 1)], [("y", *FLOATS)]),
        ([("x", "float", 1, 4, 0, 64)], [("y", *FLOATS)]),
        ([("x", "float", 1, 4, 64, 2049)], [("y", *FLOATS)]),
        ([("x", "float", 1, 4, 64, 64)], []),
        ([], [("y", *FLOATS)]),
    ],
    ids=["classes", "no mask", "one plane out", "four in bytes", "batch of two", "mask of integers",
         "two pictures", "floats out of bytes", "a number besides", "no rows", "too wide",
         "no output", "no input"],
)  # fmt: skip
def test_tensors_of_no_known_contract_are_none(inputs, outputs):
    assert contract_of([described(*i) for i in inputs], [described(*o) for o in outputs]) is None


FILES = {
    "masked": lambda folder: networks.masked(folder),
    "masked, fixed": lambda folder: networks.masked(folder, (96, 64)),
    "pair, 0-255": lambda folder: networks.pair(folder),
    "pair, 0-1": lambda folder: networks.pair(folder, white=1.0),
    "pair, any size": lambda folder: networks.pair(folder, None),
    "pipeline": lambda folder: networks.pipeline(folder),
}


@pytest.mark.parametrize("file", FILES)
def test_the_hole_is_drawn_and_nothing_else_whichever_way_the_mask_is_told(file, tmp_path):
    network = loaded(FILES[file](tmp_path / "made"))
    height, width = network.sides(50, 40)
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    hole = np.zeros((height, width), np.bool_)
    hole[10:30, 5:25] = True
    drawn = network.draw(picture, hole)
    # Red is what each of these networks paints where its mask says hole; masked ones add what is
    # not black there.
    np.testing.assert_array_equal(drawn[hole], np.broadcast_to(RED, (400, 3)))
    np.testing.assert_array_equal(drawn[~hole], picture[~hole])
    painted = np.where(hole[..., None], 255 - picture, picture)
    np.testing.assert_array_equal(network.draw(painted, hole)[hole], drawn[hole])


def test_the_range_of_the_output_is_the_contracts_or_measured_where_there_are_both(tmp_path):
    levels = [
        loaded(FILES[name](tmp_path / str(i))).levels
        for i, name in enumerate(("masked", "pair, 0-255", "pair, 0-1", "pipeline"))
    ]
    assert levels == [1.0, 255.0, 1.0, 255.0]


@pytest.mark.parametrize(
    ("file", "size", "expected"),
    [
        ("masked", (50, 64), (64, 64)),
        ("masked", (65, 512), (96, 512)),
        ("masked, fixed", (20, 20), (96, 64)),
        ("pipeline", (300, 200), (512, 512)),
    ],
)
def test_sides_are_the_files_own_or_multiples_of_32(file, size, expected, tmp_path):
    assert loaded(FILES[file](tmp_path / "made")).sides(*size) == expected


def refused(folder: Path) -> str:
    message = refusal(ErrorKind.UNAVAILABLE, Network.load, folder, 1)
    assert f"weights {folder.name}" in message
    assert str(folder.parent) not in message
    return message


def test_a_damaged_file_is_refused_wherever_it_is_damaged(tmp_path):
    folder = networks.random(tmp_path / "lama")
    file = folder / "network.onnx"
    whole = file.read_bytes()
    for damaged in (b"", b"\0" * 64, whole[: len(whole) // 2], whole[:-1], b"PK\3\4" + whole):
        file.write_bytes(damaged)
        refused(folder)
    file.unlink()
    assert "expected one ONNX file, got 0" in refused(folder)


def test_a_file_with_any_bytes_changed_draws_or_is_refused(tmp_path):
    rng = np.random.default_rng(7)
    grey, hole = np.full((64, 64, 3), 90, np.uint8), np.zeros((64, 64), np.bool_)
    hole[20:30, 20:30] = True
    for name in ("random", "masked", "pair"):
        folder = getattr(networks, name)(tmp_path / name)
        file = folder / "network.onnx"
        whole = file.read_bytes()
        for _ in range(60):
            damaged = bytearray(whole)
            damaged[rng.integers(len(whole))] = rng.integers(256)
            file.write_bytes(damaged)
            try:
                network = Network.load(folder, 1)
                if network.sides(64, 64) == (64, 64):
                    network.draw(grey, hole)
            except PawfectError as error:
                assert error.kind is ErrorKind.UNAVAILABLE


def test_a_file_of_another_network_is_refused_with_what_it_takes(tmp_path):
    message = refused(networks.random(tmp_path / "lama", channels=3))
    assert "expected inputs of an inpainting network" in message
    assert "input tensor(float) [1, 3, 'H', 'W']" in message


def refused_picture(network: Network) -> str:
    grey = np.full((64, 64, 3), 128, np.uint8)
    return refusal(ErrorKind.UNAVAILABLE, network.draw, grey, grey[..., 0] > 200)


def test_a_network_that_gives_no_numbers_or_another_size_is_refused(tmp_path):
    nodes = [
        helper.make_node("ReduceSum", ["input"], ["sum"], keepdims=1),
        helper.make_node("Sub", ["sum", "sum"], ["zero"]),
        helper.make_node("Div", ["zero", "zero"], ["nan"]),
        helper.make_node("Expand", ["nan", "shape"], ["output"]),
    ]
    shape = networks.constant("shape", np.array([1, 3, 64, 64], np.int64))
    into, out = [tensor("input", 4, (64, 64))], [tensor("output", 3, (64, 64))]
    nan = loaded(written(tmp_path / "nan", nodes, into, out, [shape]))
    assert "weights nan: expected finite numbers" in refused_picture(nan)
    # Of two inputs the output's range is measured when it is loaded.
    nodes[0] = helper.make_node("ReduceSum", ["image"], ["sum"], keepdims=1)
    two = [tensor("image", 3, (64, 64)), tensor("mask", 1, (64, 64))]
    folder = written(tmp_path / "nan, two", nodes, two, out, [shape])
    assert "expected finite numbers" in refused(folder)
    pool = [
        helper.make_node("Slice", ["input", "from", "to", "axis"], ["three"]),
        helper.make_node("MaxPool", ["three"], ["output"], kernel_shape=[2, 2], strides=[2, 2]),
    ]
    cuts = [
        networks.constant(name, np.array([at], np.int64))
        for name, at in (("from", 0), ("to", 3), ("axis", 1))
    ]
    half = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 3, "h", "w"])
    small = loaded(written(tmp_path / "half", pool, [tensor("input", 4, None)], [half], cuts))
    assert "expected a picture [1, 3, 64, 64], got [1, 3, 32, 32]" in refused_picture(small)


def test_without_onnxruntime_the_message_says_what_to_install(tmp_path, monkeypatch):
    folder = networks.random(tmp_path / "lama")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    message = refused(folder)
    assert message.endswith(
        "serving them needs the package onnxruntime: pip install 'pawfect[server]'"
    )
