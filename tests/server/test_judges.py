"""Judges elsewhere, asked through the real server: their real clients, servers on loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import tritonclient.grpc as triton

from pawfect.contract.errors import ErrorKind, PawfectError, from_message
from pawfect.contract.scores import Judgement
from pawfect_triton.function_model import WAITING_AT_ONCE
from pawfect_triton.probe import Prober, infer_inputs
from tests.judge_servers import KEY, GeminiServer
from tests.pawfect.judges.conftest import MASK, ORIGINAL, REFERENCE, RESULT, pictures, same
from tests.server.conftest import until

ARRAYS = {"RESULT": RESULT, "ORIGINAL": ORIGINAL, "MASK": MASK}


@pytest.fixture(scope="module")
def grpc(server) -> Iterator[triton.InferenceServerClient]:
    client = triton.InferenceServerClient(server.endpoints.grpc)
    yield client
    client.close()


@pytest.fixture
def silent(gemini: GeminiServer) -> Iterator[GeminiServer]:
    """A judge that takes requests and never answers."""
    gemini.arrived.clear()
    gemini.left.clear()
    gemini.hold = lambda asked: True
    yield gemini
    gemini.hold = lambda asked: False


def ask(grpc: triton.InferenceServerClient, model: str, **given: Any) -> Judgement:
    arrays = ARRAYS | {name: given.pop(name) for name in list(given) if name.isupper()}
    parameters = {"remote": True} | given
    try:
        answer = grpc.infer(model, infer_inputs(model, arrays), parameters=parameters)
    except triton.InferenceServerException as error:
        raise from_message(error.message()) from error
    return Judgement.from_json(answer.as_numpy("SCORES")[0])


def test_what_a_judge_says_comes_back_and_what_it_was_shown_is_the_hole(grpc, gemini):
    judged = ask(grpc, "score_gemini")
    assert judged.scores == {"consistency": 7.0, "realism": 6.5}
    assert judged.calls == 1
    view = pictures().result
    assert view.shape < RESULT.shape
    assert any(same(shown, view) for shown in gemini.asked[-1].pictures)


def test_identity_is_judged_where_there_is_somebody_to_compare_with(grpc, moondream):
    asked = len(moondream.asked)
    judged = ask(grpc, "score_moondream", REFERENCE=REFERENCE)
    # Likeness 8 and difference 1, each both ways round.
    assert judged.scores == {"consistency": 7.0, "realism": 6.0, "identity": 8.5}
    assert len(moondream.asked) - asked == judged.calls == 6


def test_nothing_is_sent_without_a_word_of_the_request(grpc, gemini):
    asked = len(gemini.asked)
    with pytest.raises(PawfectError, match="remote=true") as refused:
        ask(grpc, "score_gemini", remote=False)
    assert refused.value.kind is ErrorKind.UNAVAILABLE
    assert len(gemini.asked) == asked


def test_a_judge_that_does_not_answer_in_time_is_left_and_says_no_score(grpc, silent):
    with pytest.raises(PawfectError) as late:
        ask(grpc, "score_gemini", deadline_ms=400)
    assert late.value.kind is ErrorKind.DEADLINE
    assert silent.left.wait(10)


def test_silent_answers_hold_up_neither_other_judges_nor_probes_and_one_more_is_refused(
    server, grpc, silent, embedded
):
    before, over = len(silent.asked), threading.Semaphore(0)

    def waiting() -> Any:
        inputs, given = infer_inputs("score_gemini", ARRAYS), {"remote": True}
        return grpc.async_infer(
            "score_gemini", inputs, lambda result, error: over.release(), parameters=given
        )

    calls = [waiting() for _ in range(WAITING_AT_ONCE)]
    until(lambda: len(silent.asked) == before + WAITING_AT_ONCE)
    with pytest.raises(PawfectError) as refused:
        ask(grpc, "score_gemini")
    assert refused.value.kind is ErrorKind.QUEUE_FULL
    assert ask(grpc, "score_moondream").scores
    prober = Prober(server.endpoints.grpc, embedded)
    prober.probe("score_gemini", 10)
    prober.close()
    silent.left.clear()
    for call in calls:
        call.cancel()
    # A connection is closed, and not left to the judge.
    assert silent.left.wait(10)
    assert all(over.acquire(timeout=10) for _ in calls)
    silent.hold = lambda asked: False

    def free() -> bool:
        try:
            return bool(ask(grpc, "score_gemini").scores)
        except PawfectError as error:
            assert error.kind is ErrorKind.QUEUE_FULL, error
            return False

    until(free)


def test_no_key_stands_in_the_servers_log(server):
    assert KEY not in server.output()
