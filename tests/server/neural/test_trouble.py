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
from tests.conftest import READY, ServedProcess
from tests.refusals import refusal
from tests.server.conftest import fallen_back, metric, stubs, until
from tests.server.neural.conftest import (
    GRASS,
    PLAIN,
    PROFILE,
    READY_S,
    WHOLE,
    NeuralClient,
    Started,
    photo,
)

PHOTO = photo(5)
MEND = f"run `pawfect weights fetch {PROFILE}`"


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
    # Found out by its own probe, or by that of a model which asks it.
    found = (f"the process of {killed} died", f"Stub process '{killed}_0_0' is not healthy")
    assert any(words in said for words in found), said
    return said


def only_fallback(report: Report) -> Fallback:
    (fallback,) = report.fallbacks
    return fallback


def patched_for_flux(report: Report) -> str:
    """Return the reason for which patches stood in."""
    fallback = only_fallback(report)
    assert (report.engine, fallback.stage, fallback.instead) == ("patch", "flux", "patch")
    return fallback.reason


@pytest.mark.slow
def test_patches_stand_in_for_a_transformer_killed_in_flight_and_for_flux_without_weights(
    started, neural_server
):
    answers: dict[str, object] = {}

    def ask(engine: str) -> None:
        client = NeuralClient(neural_server.endpoints.grpc)
        given = PLAIN | {"engine": engine, "steps": 100}
        try:
            answers[engine] = client(PHOTO, WHOLE, SCENE_LABELS=GRASS, timeout_s=60, **given)
        except PawfectError as error:
            answers[engine] = error

    def steps() -> int:
        return client.statistics("flux_transformer").inference_count

    restarts = metric(neural_server, "pawfect_server_restarts")
    client = NeuralClient(neural_server.endpoints.grpc)
    patched = client(PHOTO, WHOLE, engine="patch", dilate_px=0).as_numpy("IMAGE")
    before = steps()
    with taken_away(started, "tiny-flux-fill"):
        askers = [threading.Thread(target=ask, args=(engine,)) for engine in ("auto", "flux")]
        for asker in askers:
            asker.start()
        until(lambda: steps() > before + 4)
        said = restarted(neural_server, "flux_transformer")
        assert said.count("WITHOUT  flux_") == said.count("WITHOUT") == 4
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
            reason = patched_for_flux(client.report(answers["auto"]))
            assert reason.startswith(("PAWFECT_MODEL_DOWN", "PAWFECT_UNAVAILABLE"))
            np.testing.assert_array_equal(answers["auto"].as_numpy("IMAGE"), patched)
        assert metric(neural_server, "pawfect_server_restarts") == restarts + 1
        result = client(PHOTO, WHOLE, dilate_px=0)
        np.testing.assert_array_equal(result.as_numpy("IMAGE"), patched)
        report = client.report(result)
        reason = patched_for_flux(report)
        assert reason.startswith("PAWFECT_UNAVAILABLE: weights tiny-flux-fill: expected")
        assert reason in report.engine_reason
        until(lambda: fallen_back(neural_server, "flux", "patch") == 1)
        message = refusal(ErrorKind.UNAVAILABLE, client, PHOTO, WHOLE, engine="flux")
        assert message.startswith("weights tiny-flux-fill: expected")
        assert MEND in message
        labels = client.ask("scene_labels", {"IMAGE": PHOTO, "MASK": WHOLE})
        assert labels["LABELS"].size > 0


@pytest.mark.slow
def test_without_sam3s_weights_florence2_describes_and_flux_brought_back_fills(
    started, neural_server
):
    with taken_away(started, "tiny-sam3"):
        said = restarted(neural_server, "sam3_labeling")
        assert "WITHOUT  sam3_labeling: weights tiny-sam3: expected" in said
        assert said.count("WITHOUT") == 3
        assert "WITHOUT  scene_labels: " in said
        assert "WITHOUT  find_masks: " in said
        assert MEND in said
        client = NeuralClient(neural_server.endpoints.grpc)
        for model in ("sam3_labeling", "scene_labels", "find_masks"):
            arrays = probe_inputs(model, load_profile(PROFILE))
            assert MEND in refusal(ErrorKind.UNAVAILABLE, client.ask, model, arrays)
        # None but SAM3's weights: what the restart before was without is back.
        report = client.report(client(PHOTO, WHOLE, steps=2, deadline_ms=100_000))
        assert report.engine == "flux"
        assert (report.labels, report.labels_source) == ((), "florence2")
        fallback = only_fallback(report)
        assert (fallback.stage, fallback.instead) == ("sam3_labeling", "florence2")
        assert fallback.reason.startswith("PAWFECT_UNAVAILABLE: weights tiny-sam3: expected")
        assert MEND in fallback.reason
        until(lambda: fallen_back(neural_server, "sam3_labeling", "florence2") == 1)
