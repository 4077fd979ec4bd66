"""Sessions: several outputs of one run, files of any size, and nothing told to anybody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pawfect.contract.errors import ErrorKind
from pawfect.onnx.session import open_session
from tests.refusals import refusal


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network whose file states one size and, as old ones do, offers constants as inputs."""
    picture, twice, more = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2, 4, 4])
        for name in ("picture", "twice", "more")
    )
    two = numpy_helper.from_array(np.array(2, np.float32), "two")
    offered = helper.make_tensor_value_info("two", TensorProto.FLOAT, [])
    nodes = [
        helper.make_node("Mul", ["picture", "two"], ["twice"]),
        helper.make_node("Add", ["twice", "two"], ["more"]),
    ]
    graph = helper.make_graph(nodes, "fixed", [picture, offered], [twice, more], [two])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    folder = tmp_path_factory.mktemp("network")
    (folder / "network.onnx").write_bytes(model.SerializeToString())
    (folder / "damaged.onnx").write_bytes(b"no network")
    return folder


def test_one_run_gives_several_outputs_in_the_order_asked_for(folder: Path) -> None:
    session = open_session(folder, 1, file="network.onnx")
    fed = {"picture": np.ones((1, 2, 4, 4), np.float32)}
    more, twice = session.run_all(fed, outputs=(1, 0))
    assert (more == 4).all()
    assert (twice == 2).all()
    assert [values.flat[0] for values in session.run_all(fed)] == [2, 4]
    np.testing.assert_array_equal(session.run(fed, output=1), more)


def test_a_file_of_one_size_takes_any_where_that_is_asked_for(folder: Path) -> None:
    larger = {"picture": np.ones((3, 2, 7, 5), np.float32)}
    fixed = open_session(folder, 1, file="network.onnx")
    with pytest.raises(Exception, match="invalid dimensions"):
        fixed.run(larger)
    before = (folder / "network.onnx").read_bytes()
    opened = open_session(folder, 1, file="network.onnx", any_size=True)
    assert opened.run(larger).shape == (3, 2, 7, 5)
    assert [tensor.name for tensor in opened.inputs] == ["picture"]
    assert all(isinstance(size, str) for size in opened.inputs[0].shape)
    assert (folder / "network.onnx").read_bytes() == before
    assert onnx.load(folder / "network.onnx").graph.input[0].type.tensor_type.shape.dim[2].dim_value


@pytest.mark.parametrize("any_size", [False, True])
def test_a_damaged_file_is_unavailable(folder: Path, any_size: bool) -> None:
    message = refusal(
        ErrorKind.UNAVAILABLE, open_session, folder, 1, file="damaged.onnx", any_size=any_size
    )
    assert "expected an ONNX file that onnxruntime loads" in message


def test_a_session_leaves_nothing_in_the_users_folder(folder: Path, tmp_path: Path) -> None:
    """onnxruntime would keep an id of the machine there, and events that it sends."""
    code = (
        "import sys; from pathlib import Path; from pawfect.onnx.session import open_session; "
        "import numpy as np; "
        "session = open_session(Path(sys.argv[1]), 1, file='network.onnx'); "
        "session.run({'picture': np.ones((1, 2, 4, 4), np.float32)})"
    )
    own = {name: str(tmp_path) for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"} | own
    subprocess.run([sys.executable, "-c", code, str(folder)], env=environment, check=True)
    assert list(tmp_path.rglob("*")) == []


def with_tensor_at(place: str) -> bytes:
    """A network that adds a tensor of four numbers, which lie in another file."""
    tensor = TensorProto(name="c", data_type=TensorProto.FLOAT, dims=[4])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", place), ("offset", "0"), ("length", "16")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Add", ["x", "c"], ["y"])], "g", [x], [y], [tensor])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("any_size", [False, True])
@pytest.mark.parametrize("place", ["../secret", "sub/../../secret", "absolute", "link"])
def test_tensors_in_files_elsewhere_are_not_read(tmp_path, place, any_size):
    folder = tmp_path / "network"
    (folder / "sub").mkdir(parents=True)
    numbers = np.arange(4, dtype=np.float32).tobytes()
    (tmp_path / "secret").write_bytes(numbers)
    (folder / "own").write_bytes(numbers)
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "n.onnx").write_bytes(with_tensor_at("own"))
    # So that what is refused below is the place.
    session = open_session(folder, 1)
    assert session.run_all({"x": np.zeros(4, np.float32)}, outputs=(0,))[0].tolist() == [0, 1, 2, 3]
    named = str(tmp_path / "secret") if place == "absolute" else place
    (folder / "n.onnx").write_bytes(with_tensor_at(named))
    said = refusal(ErrorKind.UNAVAILABLE, open_session, folder, 1, any_size=any_size)
    assert "expected an ONNX file that onnxruntime loads" in said
