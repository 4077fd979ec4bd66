"""A model that is killed, weights that are missing: what stands in, and who says so.

The server that the supervisor restarts after a killed process finds the weights that are there by
then: this test takes some away in between, and runs last in this folder.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.profile import load_profile
from pawfect_triton.probe import probe_inputs
from tests.conftest import ServedProcess
from tests.lawn import holes
from tests.refusals import refusal
from tests.server.conftest import fallen_back, metric, stubs, until
from tests.server.neural.conftest import (
    GRASS,
    PLAIN,
    READY,
    READY_S,
    NeuralClient,
    Started,
    photo,
)

PHOTO = photo(5)
HOLE = holes(256, 256, (60, 90, 130, 150))
MEND = "run `pawfect weights fetch tiny`"


@contextmanager
def taken_away(started: Started, entry: str) -> Iterator[None]:
    folder = started.weights / entry
    aside = started.weights / f".{entry}"
    folder.rename(aside)
    try:
        yield
    finally:
        aside.rename(folder)


def restarted(server: ServedProcess, killed: str) -> str:
    """Kill a model's process; return what `serve` prints from then until all is ready again."""
    printed, readies = len(server.output()), server.output().count(READY)
    (stub,) = stubs(server, killed)
    stub.kill()
    server.wait_for(READY, readies + 1, timeout_s=READY_S)
    said = server.output()[printed:]
    assert f"the process of {killed} died" in said
    return said


def test_a_killed_transformer_is_brought_back_and_florence2_stands_in_for_missing_sam3(
    started, neural_server
):
    answers: dict[str, object] = {}

    def ask(engine: str) -> None:
        client = NeuralClient(neural_server.endpoints.grpc)
        given = PLAIN | {"engine": engine, "steps": 100}
        try:
            answers[engine] = client(PHOTO, HOLE, SCENE_LABELS=GRASS, timeout_s=60, **given)
        except PawfectError as error:
            answers[engine] = error

    def steps() -> int:
        return client.statistics("flux_transformer").inference_count

    restarts = metric(neural_server, "pawfect_server_restarts")
    client = NeuralClient(neural_server.endpoints.grpc)
    patched = client(PHOTO, HOLE, engine="patch", dilate_px=0).as_numpy("IMAGE")
    before = steps()
    askers = [threading.Thread(target=ask, args=(engine,)) for engine in ("auto", "flux")]
    for asker in askers:
        asker.start()
    until(lambda: steps() > before + 4)
    with taken_away(started, "tiny-sam3"):
        said = restarted(neural_server, "flux_transformer")
    assert "WITHOUT  sam3_labeling: weights tiny-sam3: expected" in said
    assert said.count("WITHOUT") == 2
    assert "WITHOUT  scene_labels: " in said
    assert MEND in said
    for asker in askers:
        asker.join(60)
    # Patches stand in where the server could still answer; who insisted on FLUX may ask again.
    assert {"auto", "flux"} == set(answers)
    lost = (ErrorKind.MODEL_DOWN, ErrorKind.UNAVAILABLE)
    assert isinstance(answers["flux"], PawfectError)
    assert answers["flux"].kind in lost
    if isinstance(answers["auto"], PawfectError):
        assert answers["auto"].kind in lost
    else:
        report = client.report(answers["auto"])
        assert report.engine == "patch"
        (fallback,) = report.fallbacks
        assert (fallback.stage, fallback.instead) == ("flux", "patch")
        assert fallback.reason.startswith(("PAWFECT_MODEL_DOWN", "PAWFECT_UNAVAILABLE"))
        np.testing.assert_array_equal(answers["auto"].as_numpy("IMAGE"), patched)
    assert metric(neural_server, "pawfect_server_restarts") == restarts + 1
    again = NeuralClient(neural_server.endpoints.grpc)
    for model in ("sam3_labeling", "scene_labels"):
        asked = probe_inputs(model, load_profile("tiny"))
        assert MEND in refusal(ErrorKind.UNAVAILABLE, again.ask, model, asked)
    before = fallen_back(neural_server, "sam3_labeling", "florence2")
    result = again(PHOTO, HOLE, engine="flux", steps=2, deadline_ms=100_000)
    report = client.report(result)
    assert report.engine == "flux"
    assert (report.labels, report.labels_source) == ((), "florence2")
    (fallback,) = report.fallbacks
    assert (fallback.stage, fallback.instead) == ("sam3_labeling", "florence2")
    assert fallback.reason.startswith("PAWFECT_UNAVAILABLE: weights tiny-sam3: expected")
    assert MEND in fallback.reason
    until(lambda: fallen_back(neural_server, "sam3_labeling", "florence2") == before + 1)
