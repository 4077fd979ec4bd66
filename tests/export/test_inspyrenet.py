"""InSPyReNet's ONNX files: what the trace keeps free, the checkpoint's digest, what failures say.

The export itself needs an environment of some gigabytes: what it gives is held by the files that
`tests/pawfect/matting/data/inspyrenet/make.py` wrote there.
"""

from __future__ import annotations

import hashlib
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import onnx
import pytest
import torch

from pawfect.contract.errors import ErrorKind
from pawfect.weights.manifest import parse_manifest
from pawfect.weights.store import Store
from pawfect_export import inspyrenet, inspyrenet_graph
from pawfect_export.build import BUILDERS, build_entry
from pawfect_export.progress import silent
from tests.refusals import refusal

DATA = Path(__file__).parents[1] / "pawfect/matting/data/inspyrenet"
CONTENT = b"a checkpoint"


@pytest.mark.filterwarnings("ignore:.torch.jit.trace. is deprecated:DeprecationWarning")
@pytest.mark.parametrize("length", [1, 11, 12, 13, 96, 340])
def test_a_trace_keeps_counting_windows_at_other_sizes(length):
    def padded(picture: torch.Tensor) -> torch.Tensor:
        width = picture.shape[0] * torch.ones((), dtype=torch.int64)
        return inspyrenet_graph._integer(inspyrenet_graph._ceil(width / 12)) * 12

    traced = torch.jit.trace(padded, (torch.zeros(100),), check_trace=False)
    assert int(traced(torch.zeros(length))) == -(-length // 12) * 12


def test_plain_numbers_stay_plain():
    assert inspyrenet_graph._integer(inspyrenet_graph._ceil(13 / 12)) == 2
    assert type(inspyrenet_graph._integer(2.0)) is int


@pytest.mark.parametrize("name", ["base", "fast"])
def test_the_written_files_take_any_size_and_say_so(name):
    graph = onnx.load(DATA / f"{name}.onnx").graph
    shapes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in [*graph.input, *graph.output]
    }
    assert shapes == {"image": [1, 3, "height", "width"], "alpha": [1, 1, "height", "width"]}


def test_every_entry_names_published_checkpoints():
    entries = {name: how for name, how in BUILDERS.items() if name.startswith("inspyrenet")}
    made = {name: dict(how.options["files"]) for name, how in entries.items()}
    assert made == {
        "inspyrenet": {"base.onnx": "base", "fast.onnx": "fast"},
        "inspyrenet-nightly": {"base.onnx": "nightly"},
    }
    bases = {name: checkpoint.base for name, checkpoint in inspyrenet.CHECKPOINTS.items()}
    assert bases == {"base": 1024, "fast": 384, "nightly": 1024}


@pytest.fixture
def release(monkeypatch):
    """A server in place of the checkpoints' release."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(inspyrenet, "_RELEASE", f"http://127.0.0.1:{server.server_port}")
    yield
    server.shutdown()
    server.server_close()


@pytest.fixture
def store(tmp_path) -> Store:
    table = {"kind": "built", "licence": "MIT", "commercial": True}
    return Store(tmp_path / "weights", parse_manifest({"inspyrenet": table}))


def refused(store: Store) -> str:
    """What building is refused with; nothing is left of it."""
    store.root.mkdir()
    message = refusal(ErrorKind.UNAVAILABLE, build_entry, "inspyrenet", store, silent)
    assert [path.name for path in store.root.iterdir() if path.name != ".locks"] == []
    assert message.startswith("weights inspyrenet: ")
    return message


def test_another_checkpoint_than_the_published_one_is_refused(release, store, monkeypatch):
    monkeypatch.setenv(inspyrenet.PYTHON_VARIABLE, sys.executable)
    digest = hashlib.md5(CONTENT).hexdigest()
    expected = f"ckpt_base.pth: expected MD5 d692e3dd5fa1b9658949d452bebf1cda, got {digest}"
    assert expected in refused(store)


@pytest.mark.slow
def test_an_environment_without_the_packages_is_named(release, store, monkeypatch):
    monkeypatch.setenv(inspyrenet.PYTHON_VARIABLE, sys.executable)
    unknown = inspyrenet.Checkpoint("ckpt_base.pth", 1024, None)
    monkeypatch.setattr(inspyrenet, "CHECKPOINTS", {"base": unknown})
    message = refused(store)
    assert "writing the file failed: " in message
    assert "No module named 'transparent_background'" in message


def test_a_python_that_is_not_there_is_named(release, store, monkeypatch):
    monkeypatch.setenv(inspyrenet.PYTHON_VARIABLE, "/nowhere/python")
    unknown = inspyrenet.Checkpoint("ckpt_base.pth", 1024, None)
    monkeypatch.setattr(inspyrenet, "CHECKPOINTS", {"base": unknown})
    assert "writing the file: it could not be run (FileNotFoundError)" in refused(store)


def test_a_disk_without_room_for_the_environment_is_said_first(release, store, monkeypatch):
    monkeypatch.delenv(inspyrenet.PYTHON_VARIABLE, raising=False)
    usage = type("Usage", (), {"free": 10**9})
    monkeypatch.setattr("pawfect_export.space.shutil.disk_usage", lambda path: usage)
    assert "of free disk space, got 1 GB" in refused(store)
