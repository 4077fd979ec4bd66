"""The network of the published size, and what is published of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from pawfect.identity.inswapper import Swapper
from pawfect.onnx.initializers import last_initializer
from perf.faces import __main__ as faces
from perf.faces import network
from perf.faces.network import FILE, PUBLISHED_BYTES, Convolution, build, work

RESULTS = Path(__file__).parents[3] / "perf" / "results" / "face-swap.json"


@pytest.fixture
def narrow(monkeypatch):
    """The same graph with a sixteenth of the channels."""

    def thin(each: Convolution) -> Convolution:
        into, out = (n if n == 3 else n // 16 for n in (each.into, each.out))
        return Convolution(into, out, each.kernel, each.side, each.stride)

    monkeypatch.setattr(network, "WIDEST", 64)
    monkeypatch.setattr(network, "MIDDLE", thin(network.MIDDLE))
    monkeypatch.setattr(network, "DOWN", tuple(map(thin, network.DOWN)))
    monkeypatch.setattr(network, "UP", tuple(map(thin, network.UP)))


def test_its_weights_are_as_many_as_the_published_files():
    in_file = 4 * (work().weights + 512 * 512)
    assert in_file == pytest.approx(PUBLISHED_BYTES, rel=1e-3)
    assert work().flop == pytest.approx(349e9, rel=0.01)


def test_the_graph_is_a_swapper_that_sees_the_face_and_the_latent(narrow, tmp_path):
    build(tmp_path)
    onnx.checker.check_model(str(tmp_path / FILE))
    assert last_initializer(tmp_path / FILE).shape == (512, 512)
    swapper = Swapper.load(tmp_path, 1)
    rng = np.random.default_rng(1)
    face = rng.integers(0, 256, (128, 128, 3), np.uint8)
    one, other = (swapper.latent(rng.normal(size=512).astype(np.float32)) for _ in range(2))
    drawn = swapper.draw(face, one)
    assert np.abs(drawn - swapper.draw(face, other)).mean() > 0.5
    assert np.abs(drawn - swapper.draw(255 - face, one)).mean() > 0.5


def test_the_script_measures_and_models(narrow, tmp_path):
    ran = CliRunner().invoke(
        faces.main, ["--out", str(tmp_path), "--threads", "1", "--boost", "128"]
    )
    assert ran.exit_code == 0, ran.output
    result = json.loads((tmp_path / "face-swap.json").read_text())
    (row,) = result["measured"]
    assert row["boost"] == 128
    assert min(row["network_s"], row["rest_s"], row["network_cpu_s"]) > 0
    assert "## Modelled on a T4" in (tmp_path / "face-swap.md").read_text()


def test_what_is_published_keeps_the_goal_as_the_code_models_it_now():
    result = json.loads(RESULTS.read_text("utf-8"))
    assert [row["boost"] for row in result["measured"]] == [128, 256, 512]
    assert result["t4_goal_kept"]
    for dtype, by_boost in result["t4_modelled_s"].items():
        for boost, by_case in faces.modelled(dtype).items():
            assert by_boost[str(boost)] == pytest.approx(by_case)
