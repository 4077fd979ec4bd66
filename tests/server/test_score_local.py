"""The local judge through the real server."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.contract.scores import Judgement
from pawfect.scores.local import judge_locally
from pawfect_triton.probe import Prober
from tests.lawn import holes, lawn
from tests.refusals import refusal
from tests.server.conftest import answers

MODEL = "score_local"
HEIGHT, WIDTH = 200, 260
ORIGINAL = lawn(HEIGHT, WIDTH)
MASK = holes(HEIGHT, WIDTH, (100, 80, 160, 140))
SMEAR = cv2.inpaint(ORIGINAL, MASK, 5, cv2.INPAINT_TELEA)


def ask(client, result: np.ndarray, **given) -> Judgement:
    tensors = {"RESULT": result, "ORIGINAL": ORIGINAL} | given
    answer = client(None, tensors.pop("MASK", MASK), MODEL, **tensors)
    return Judgement.from_json(answer.as_numpy("SCORES")[0])


def test_the_server_says_what_this_process_says(client):
    for result in (ORIGINAL, SMEAR):
        judgement = ask(client, result, networks=False)
        here = judge_locally(result, ORIGINAL, MASK)
        assert judgement.scores == pytest.approx(here.scores, abs=0.01)
        assert judgement.parts == pytest.approx(here.parts, abs=0.01)
        assert (judgement.judge, judgement.silent, judgement.calls) == ("local", {}, 0)


def test_a_smear_is_worse_than_the_photo_and_a_reference_without_a_face_says_nothing(client):
    truth, smear = (ask(client, result, REFERENCE=ORIGINAL) for result in (ORIGINAL, SMEAR))
    assert set(truth.scores) == {"consistency", "realism"}
    assert smear.scores["realism"] < truth.scores["realism"] - 3
    assert truth.silent == {"identity": "no face in REFERENCE"}
    assert ask(client, SMEAR).scores == smear.scores


def test_where_the_network_is_it_looks_for_a_subject(client):
    judgement = ask(client, ORIGINAL)
    # The suite's server has U2-Net-p, which finds none in a lawn.
    assert judgement.notes == ()
    assert judgement.parts["subject"] == 0
    assert "u2netp" in str(judgement.model)


def test_what_cannot_be_judged_is_silent_and_what_is_wrong_is_refused(client):
    small = ask(client, ORIGINAL, MASK=holes(HEIGHT, WIDTH, (100, 80, 104, 84)))
    assert small.scores == {}
    assert set(small.silent) == {"consistency", "realism"}
    for given, says in (
        ({"MASK": np.zeros_like(MASK)}, "MASK: expected some of it >= 128"),
        ({"RESULT": ORIGINAL[1:]}, "RESULT: expected the size of ORIGINAL"),
        ({"remote": True}, "got remote"),
    ):
        assert says in refusal(ErrorKind.INVALID_ARG, ask, client, ORIGINAL, **given)


def test_it_is_probed_and_counted(server, client, embedded):
    prober = Prober(server.endpoints.grpc, embedded)
    prober.probe(MODEL, 10)
    prober.close()
    before = answers(server, MODEL, "OK")
    ask(client, ORIGINAL, networks=False)
    assert answers(server, MODEL, "OK") == before + 1
