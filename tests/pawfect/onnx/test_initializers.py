"""What is read of an ONNX file's bytes, against the onnx package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from pawfect.onnx.initializers import last_initializer

RNG = np.random.default_rng(4)


def written(path: Path, *tensors: onnx.TensorProto) -> Path:
    face = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "graph",
        [face],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
        list(tensors),
    )
    path.write_bytes(helper.make_model(graph).SerializeToString())
    return path


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("shape", [(512, 512), (3,), (2, 1, 4)])
def test_the_last_initializer_is_read_however_it_lies(tmp_path, shape, raw):
    values = RNG.normal(size=shape).astype(np.float32)
    data = values.tobytes() if raw else values.ravel()
    last = helper.make_tensor("last", TensorProto.FLOAT, shape, data, raw=raw)
    first = numpy_helper.from_array(np.arange(5), "first")
    read = last_initializer(written(tmp_path / "a.onnx", first, last))
    np.testing.assert_array_equal(read, values)


def test_16_bits_become_32(tmp_path):
    values = RNG.normal(size=(4, 5)).astype(np.float16)
    read = last_initializer(written(tmp_path / "a.onnx", numpy_helper.from_array(values, "last")))
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, values.astype(np.float32))


@pytest.mark.parametrize(
    ("tensor", "says"),
    [
        (numpy_helper.from_array(np.arange(4), "integers"), "type 7"),
        (onnx.TensorProto(data_type=1, dims=[3], raw_data=b"1234"), "of 4 bytes for"),
    ],
)
def test_what_is_no_array_of_floats_is_a_value_error(tmp_path, tensor, says):
    with pytest.raises(ValueError, match=says):
        last_initializer(written(tmp_path / "a.onnx", tensor))


def test_one_in_a_file_of_its_own_is_a_value_error(tmp_path):
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), "last")
    onnx.external_data_helper.set_external_data(tensor, "weights.bin")
    tensor.ClearField("raw_data")
    with pytest.raises(ValueError, match="a file of its own"):
        last_initializer(written(tmp_path / "a.onnx", tensor))


WHOLE = RNG.normal(size=(6, 6)).astype(np.float32)


@given(cut=st.integers(1, 250), flipped=st.integers(0, 250))
def test_a_damaged_file_is_read_or_a_value_error(tmp_path_factory, cut, flipped):
    path = tmp_path_factory.getbasetemp() / "damaged.onnx"
    written(path, numpy_helper.from_array(WHOLE, "last"))
    content = bytearray(path.read_bytes())
    content[flipped % len(content)] ^= 0x5A
    path.write_bytes(content[: max(1, len(content) - cut + 125)])
    try:
        read = last_initializer(path)
    except ValueError:
        return
    assert read.dtype == np.float32
