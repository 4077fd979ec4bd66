"""Weights that are missing, a model that is killed: what stands in, and who says so.

The server that the supervisor restarts after a killed process finds the weights that are there by
then: these tests change them in between, and run last in this folder.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.report import Fallback, Report
from pawfect.profile import load_profile
from pawfect_triton.probe import probe_inputs
from tests.conftest import ServedProcess
from tests.server.conftest import hole, metric, stubs, until
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
HOLE = hole(256, 256, 60, 90, 130, 150)
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


def fallen_back(server: ServedProcess, stage: str, instead: str) -> float:
    return metric(server, "pawfect_fallbacks_total", model="inpaint", stage=stage, instead=instead)


def only_fallback(report: Report) -> Fallback:
    (fallback,) = report.fallbacks
    return fallback


def test_a_killed_transformer_is_a_fallback_in_flight_and_is_brought_back(neural_server):
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
    said = restarted(neural_server, "flux_transformer")
    assert "WITHOUT" not in said
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
        fallback = only_fallback(report)
        assert (fallback.stage, fallback.instead) == ("flux", "patch")
        assert fallback.reason.startswith(("PAWFECT_MODEL_DOWN", "PAWFECT_UNAVAILABLE"))
        np.testing.assert_array_equal(answers["auto"].as_numpy("IMAGE"), patched)
    assert metric(neural_server, "pawfect_server_restarts") == restarts + 1
    again = NeuralClient(neural_server.endpoints.grpc)(PHOTO, HOLE, deadline_ms=100_000, steps=2)
    report = client.report(again)
    assert (report.engine, report.labels_source, report.fallbacks) == ("flux", "sam3", ())


def test_without_sam3s_weights_florence2_describes_and_flux_fills(started, neural_server):
    with taken_away(started, "tiny-sam3"):
        said = restarted(neural_server, "sam3_labeling")
        assert "WITHOUT  sam3_labeling: weights tiny-sam3: expected" in said
        assert said.count("WITHOUT") == 2
        assert "WITHOUT  scene_labels: " in said
        assert MEND in said
        client = NeuralClient(neural_server.endpoints.grpc)
        for model in ("sam3_labeling", "scene_labels"):
            error = client.refusal(model, probe_inputs(model, load_profile("tiny")))
            assert error.kind is ErrorKind.UNAVAILABLE
            assert MEND in error.message
        result = client(PHOTO, HOLE, engine="flux", steps=2, deadline_ms=100_000)
        report = client.report(result)
        assert report.engine == "flux"
        assert (report.labels, report.labels_source) == ((), "florence2")
        fallback = only_fallback(report)
        assert (fallback.stage, fallback.instead) == ("sam3_labeling", "florence2")
        assert fallback.reason.startswith("PAWFECT_UNAVAILABLE: weights tiny-sam3: expected")
        assert MEND in fallback.reason
        until(lambda: fallen_back(neural_server, "sam3_labeling", "florence2") == 1)


def test_without_flux_weights_patches_fill_and_flux_itself_is_unavailable(started, neural_server):
    with taken_away(started, "tiny-flux-fill"):
        said = restarted(neural_server, "flux_vae_decoder")
        assert said.count("WITHOUT  flux_") == said.count("WITHOUT") == 4
        client = NeuralClient(neural_server.endpoints.grpc)
        patched = client(PHOTO, HOLE, engine="patch")
        result = client(PHOTO, HOLE)
        np.testing.assert_array_equal(result.as_numpy("IMAGE"), patched.as_numpy("IMAGE"))
        report = client.report(result)
        assert report.engine == "patch"
        fallback = only_fallback(report)
        assert (fallback.stage, fallback.instead) == ("flux", "patch")
        assert fallback.reason.startswith("PAWFECT_UNAVAILABLE: weights tiny-flux-fill: expected")
        assert fallback.reason in report.engine_reason
        until(lambda: fallen_back(neural_server, "flux", "patch") == 1)
        with pytest.raises(PawfectError) as caught:
            client(PHOTO, HOLE, engine="flux")
        assert caught.value.kind is ErrorKind.UNAVAILABLE
        assert caught.value.message.startswith("weights tiny-flux-fill: expected")
        assert MEND in caught.value.message
        labels = client.ask("scene_labels", {"IMAGE": PHOTO, "MASK": HOLE})
        assert labels["LABELS"].size > 0
