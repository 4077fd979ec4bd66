"""`score_gemini` and `score_moondream` as callers see them: tensors, errors, deadline, stop."""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.contract.scores import Judgement
from pawfect.judges import settings as module
from pawfect.judges.settings import Client
from pawfect.local import LocalModels
from pawfect.serving import load_function, probe_inputs
from pawfect.weights.store import Store
from tests.judge_servers import KEY, gemini_error, in_turn
from tests.pawfect.judges.conftest import MASK, ORIGINAL, REFERENCE, RESULT
from tests.refusals import refusal

INPUTS = {"RESULT": RESULT, "ORIGINAL": ORIGINAL, "MASK": MASK}
ASKED = {"remote": True}
MODELS = ("score_gemini", "score_moondream")


@pytest.fixture
def loaded(embedded, tmp_path, monkeypatch):
    """What loads a model in an environment with no more than is given."""
    for name in module.VARIABLES:
        monkeypatch.delenv(name, raising=False)

    def load(model: str, **environment: str):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return load_function(model, embedded, Store(tmp_path))

    return load


def judgement(function, inputs=INPUTS, parameters=ASKED, *stop) -> Judgement:
    outputs = function(inputs, parameters, *stop)
    assert set(outputs) == {"SCORES"}
    assert outputs["SCORES"].shape == (1,)
    return Judgement.from_json(outputs["SCORES"][0])


def on_gemini(loaded, server, **more):
    return loaded("score_gemini", PAWFECT_GEMINI_URL=server.url, PAWFECT_GEMINI_KEY=KEY, **more)


def test_a_judgement_comes_back_as_json(loaded, gemini, moondream):
    told = judgement(on_gemini(loaded, gemini))
    assert told.scores == {"consistency": 7.0, "realism": 6.5}
    function = loaded("score_moondream", PAWFECT_MOONDREAM_URL=moondream.url)
    told = judgement(function, INPUTS | {"REFERENCE": REFERENCE})
    assert told.scores == {"consistency": 7.0, "realism": 6.0, "identity": 8.5}
    assert told.model == "moondream3.1-9B-A2B"


@pytest.mark.parametrize("model", MODELS)
def test_without_a_key_a_package_or_leave_it_says_what_would_mend_it(loaded, model, monkeypatch):
    judge = model.removeprefix("score_")
    message = refusal(ErrorKind.UNAVAILABLE, loaded(model), INPUTS, ASKED)
    key = f"PAWFECT_{judge.upper()}_KEY"
    assert message == f"{model}: the judge {judge} is not set up ({key} of the server)"
    function = loaded(model, **{key: KEY})
    message = refusal(ErrorKind.UNAVAILABLE, function, INPUTS, {})
    assert "with remote=true the pictures are sent to it" in message
    monkeypatch.setattr(module, "CLIENTS", {judge: Client("no_such", "pip install x")})
    message = refusal(ErrorKind.UNAVAILABLE, loaded(model, **{key: KEY}), INPUTS, ASKED)
    assert "it needs the package no_such: pip install x" in message


def test_a_client_that_lacks_a_package_turns_its_judge_off_and_nothing_else(loaded, monkeypatch):
    # As where google-genai is installed without what it needs.
    monkeypatch.setitem(sys.modules, "httpx2", None)
    function = loaded("score_gemini", PAWFECT_GEMINI_KEY=KEY)
    message = refusal(ErrorKind.UNAVAILABLE, function, INPUTS, ASKED)
    assert message == "score_gemini: the judge gemini is off: it needs the package httpx2"


@pytest.mark.parametrize("model", MODELS)
def test_a_probe_is_answered_and_sends_nothing(loaded, model, embedded, gemini):
    set_up = {"PAWFECT_GEMINI_KEY": KEY, "PAWFECT_GEMINI_URL": gemini.url}
    for environment in ({}, set_up):
        function = loaded(model, **environment)
        told = judgement(function, probe_inputs(model, embedded), {"dry_run": True})
        assert told.scores == {}
        assert told.silent == dict.fromkeys(("consistency", "realism"), "nothing was sent: dry_run")
    assert gemini.asked == []


def test_bad_input_is_refused_by_name_whether_or_not_the_judge_is_there(loaded):
    function = loaded("score_gemini")
    for inputs, parameters, says in (
        ({k: v for k, v in INPUTS.items() if k != "MASK"}, ASKED, "MASK: expected"),
        (INPUTS | {"MASK": np.zeros_like(MASK)}, ASKED, "MASK: expected some of it >= 128"),
        (INPUTS | {"RESULT": RESULT[:-1]}, ASKED, "RESULT: expected the size of ORIGINAL"),
        (INPUTS, {"deadline_ms": 0}, "deadline_ms"),
        (INPUTS, {"remote": "true"}, "remote"),
        (INPUTS, {"key": KEY}, "got key"),
    ):
        assert says in refusal(ErrorKind.INVALID_ARG, function, inputs, parameters)


def test_late_is_late(loaded, gemini):
    gemini.hold = lambda asked: True
    function = on_gemini(loaded, gemini)
    began = time.monotonic()
    refusal(ErrorKind.DEADLINE, function, INPUTS, ASKED | {"deadline_ms": 700})
    assert time.monotonic() - began < 20
    assert gemini.left.wait(30)


def test_who_stops_is_freed_and_the_connection_is_closed(loaded, gemini):
    gemini.hold = lambda asked: True
    refusal(ErrorKind.CANCELLED, on_gemini(loaded, gemini), INPUTS, ASKED, gemini.arrived.is_set)
    assert gemini.left.wait(30)


def test_a_request_that_hangs_does_not_hold_up_the_next(loaded, moondream):
    over = threading.Event()
    moondream.hold = lambda asked: True
    function = loaded("score_moondream", PAWFECT_MOONDREAM_URL=moondream.url)
    with ThreadPoolExecutor(1) as threads:
        hanging = threads.submit(function, INPUTS, ASKED, over.is_set)
        assert moondream.arrived.wait(30)
        moondream.hold = lambda asked: False
        assert judgement(function).scores["realism"] == 6.0
        assert not hanging.done()
        over.set()
        assert refusal(ErrorKind.CANCELLED, hanging.result, 30) == "told to stop"
    assert moondream.left.wait(30)


def test_the_budget_is_one_for_all_requests(loaded, gemini):
    function = on_gemini(loaded, gemini, PAWFECT_GEMINI_DAILY="1")
    assert judgement(function).calls == 1
    message = refusal(ErrorKind.UNAVAILABLE, function, INPUTS, ASKED)
    assert message == "PAWFECT_GEMINI_DAILY: the 1 requests of this day (UTC) are made"
    assert len(gemini.asked) == 1


def test_a_refused_key_is_no_judgement_and_stays_unsaid(loaded, gemini):
    gemini.respond = in_turn(gemini_error(403, f"wrong key {KEY}"))
    message = refusal(ErrorKind.UNAVAILABLE, on_gemini(loaded, gemini), INPUTS, ASKED)
    assert message == "gemini: expected an answer, got status 403"


async def test_in_this_process_it_is_called_as_any_other_model(gemini, monkeypatch):
    monkeypatch.setenv("PAWFECT_GEMINI_URL", gemini.url)
    monkeypatch.setenv("PAWFECT_GEMINI_KEY", KEY)
    outputs = await LocalModels()("score_gemini", INPUTS, ASKED)
    assert Judgement.from_json(outputs["SCORES"][0]).scores["consistency"] == 7.0
