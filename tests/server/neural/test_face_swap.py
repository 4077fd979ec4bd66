"""`face_swap` on the real server, with its tiny network: the picture, consent, and the log."""

from __future__ import annotations

import numpy as np

from pawfect.contract.errors import ErrorKind
from pawfect.contract.faces import FaceSwapReport
from pawfect.identity.alignment import template
from pawfect.profile import load_profile
from pawfect.serving import load_function
from pawfect.weights.store import Store
from tests.refusals import refusal
from tests.server.neural.conftest import PROFILE, NeuralClient, photo

INPUTS = {
    "IMAGE": photo(5),
    "POINTS": template(128) * np.float32(0.6) + np.float32(20),
    "EMBEDDING": np.random.default_rng(2).normal(size=512).astype(np.float32),
}
ASKED = {"consent": True, "caller": "swap-test-7", "pixel_boost": 256}


def test_the_served_model_gives_what_its_function_gives_and_the_log_says_who_asked(
    client: NeuralClient, started
):
    served = client.ask("face_swap", INPUTS, **ASKED)
    function = load_function("face_swap", load_profile(PROFILE), Store(started.weights))
    own = function(INPUTS, ASKED)
    for name in ("IMAGE", "MASK"):
        np.testing.assert_array_equal(served[name], own[name])
    assert (served["IMAGE"] != INPUTS["IMAGE"]).any()
    report = FaceSwapReport.from_json(served["REPORT"][0])
    assert (report.caller, report.pixel_boost) == ("swap-test-7", 256)
    said = "pawfect.identity INFO face_swap: a face is swapped, with consent=true, for caller"
    assert started.server.output().count(f"{said} swap-test-7\n") == 1


def test_without_consent_or_with_a_word_for_it_nothing_is_swapped(client: NeuralClient):
    for given in ({}, {"consent": False}, {"consent": "true"}):
        message = refusal(ErrorKind.INVALID_ARG, client.ask, "face_swap", INPUTS, **given)
        assert "consent: expected" in message
