"""The judge Moondream: its real client over real sockets, against a server that speaks its API."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from functools import partial

import pytest
from PIL import Image

from pawfect.contract.errors import ErrorKind
from pawfect.judges.exchange import MOST_BYTES, THREAD, client_module
from pawfect.judges.moondream import Moondream
from pawfect.judges.pictures import GUTTER_PX, SIDE, side_by_side
from pawfect.remote.budget import Allowance
from tests.judge_servers import (
    CUT,
    KEY,
    Reply,
    as_json,
    gemini_scores,
    in_turn,
    key_of,
    moondream_says,
    moondream_scores,
)
from tests.pawfect.judges import conftest
from tests.pawfect.judges.conftest import judge_of, pictures, same, within

BUSY = as_json({"error": {"message": "busy"}}, 503)


judged = partial(conftest.judged, Moondream)
failure = partial(conftest.failure, Moondream)


def test_consistency_and_realism_are_asked_of_one_picture_each(moondream):
    told = judged(moondream)
    assert told.scores == {"consistency": 7.0, "realism": 6.0}
    assert (told.judge, told.silent, told.model, told.calls) == ("moondream", {}, "first-1", 2)
    asked = {key_of(one): one for one in moondream.asked}
    shown = pictures()
    both = side_by_side(shown.original, shown.result)
    assert same(asked["consistency"].pictures[0], both)
    assert same(asked["realism"].pictures[0], shown.result)
    for one in moondream.asked:
        assert one.headers["X-Moondream-Auth"] == KEY
        assert KEY not in one.path + json.dumps(one.body)
        assert one.model == "first-1"
        assert one.body["settings"] == {"temperature": 0.0, "max_tokens": 256}
        assert not one.body["stream"]
        assert max(one.pictures[0].shape[:2]) <= SIDE


def test_identity_shows_both_pictures_both_ways_round_and_is_the_mean(moondream):
    moondream.respond = moondream_scores(
        consistency=7, realism=6, likeness=[9, 7], difference=[1, 2]
    )
    told = judged(moondream, reference=True)
    assert told.scores["identity"] == (9 + 7 + 9 + 8) / 4
    assert told.parts["identity_likeness"] == 8.0
    assert told.parts["identity_difference"] == 1.5
    assert told.calls == len(moondream.asked) == 6
    shown = pictures(True)
    pair = (shown.reference, shown.result)
    ways = [side_by_side(*pair), side_by_side(*pair[::-1])]
    assert ways[0].shape == ways[1].shape
    for key in ("likeness", "difference"):
        seen = [one.pictures[0] for one in moondream.asked if key_of(one) == key]
        assert len(seen) == 2
        assert all(max(one.shape[:2]) <= SIDE for one in seen)
        # Each way round once, in whatever order they came.
        assert sorted(same(seen[0], way) for way in ways) == [False, True]
        assert sorted(same(seen[1], way) for way in ways) == [False, True]
        assert same(seen[0], ways[0]) != same(seen[1], ways[0])
        white = seen[0][5:-5, shown.reference.shape[1] + GUTTER_PX // 2]
        assert white.min() > 200 or not same(seen[0], ways[0])


@pytest.mark.parametrize(
    ("likeness", "difference"), [([8, 8], [8, 8]), ([9, 2], [1, 1]), ([0, 0], [0, 0])]
)
def test_answers_about_identity_that_contradict_each_other_are_no_score(
    moondream, likeness, difference
):
    moondream.respond = moondream_scores(
        consistency=7, realism=6, likeness=likeness, difference=difference
    )
    told = judged(moondream, reference=True)
    assert told.scores == {"consistency": 7.0, "realism": 6.0}
    assert "expected answers that agree within 4" in told.silent["identity"]


def test_identity_needs_both_questions_both_ways_round(moondream):
    moondream.respond = moondream_scores(
        consistency=7, realism=6, likeness=[9, moondream_says("cannot say")], difference=1
    )
    told = judged(moondream, reference=True)
    assert set(told.scores) == {"consistency", "realism"}
    assert set(told.silent) == {"identity"}


def test_fatal_flaws_cap_its_scores_too(moondream):
    text = 'I see it. {"realism": 9, "flaws": ["painted_look"]} So it is.'
    moondream.respond = moondream_scores(consistency=7, realism=moondream_says(text))
    told = judged(moondream)
    assert told.scores == {"consistency": 7.0, "realism": 3.0}
    assert told.notes == ("painted look",)


NONSENSE = [
    (moondream_says("7"), "got none of them"),
    (moondream_says("7,4,6"), "got none of them"),
    (moondream_says("Sorry, I cannot help with that."), "got none of them"),
    (moondream_says('{"consistency": 70, "realism": 70}'), "got one out of range"),
    (moondream_says('{"consistency": "7", "realism": "7"}'), "got a str"),
    (moondream_says('{"likeness": 5}'), "got none of them"),
    (moondream_says(["7"]), "one without a text"),
    (gemini_scores(consistency=7, realism=7), "an answer of its API"),
    (Reply(body=b"<h1>hello</h1>"), "an answer of its API"),
    (Reply(body=b"[" * 100_000), "an answer of its API"),
    (Reply(body=b"\xff\xfe"), "an answer of its API"),
    (moondream_says("x" * (MOST_BYTES + 1)), "one that is too large"),
]


@pytest.mark.parametrize(("reply", "says"), NONSENSE, ids=range(len(NONSENSE)))
def test_nonsense_is_no_score_and_not_asked_for_again(moondream, reply, says):
    moondream.respond = in_turn(reply)
    error = failure(moondream)
    assert says in error.message
    assert error.kind is ErrorKind.INTERNAL
    assert len(moondream.asked) == 2


def test_half_an_answer_is_half_a_judgement(moondream):
    moondream.respond = moondream_scores(consistency=moondream_says("no idea"), realism=2)
    told = judged(moondream)
    assert told.scores == {"realism": 2.0}
    assert told.silent["consistency"].startswith("answer: expected one JSON object")


def test_one_question_that_hangs_leaves_the_others_their_scores(moondream):
    moondream.hold = lambda asked: key_of(asked) == "consistency"
    told = judged(moondream, timeout_s=1)
    assert told.scores == {"realism": 6.0}
    assert told.silent == {"consistency": "moondream: expected an answer within 1.0 s, got none"}
    assert moondream.left.wait(30)


@pytest.mark.parametrize("trouble", [BUSY, CUT, as_json({}, 429), as_json({}, 500)])
def test_a_server_in_trouble_is_asked_again_at_most_twice(moondream, trouble):
    moondream.respond = moondream_scores(consistency=[trouble, trouble, 5], realism=6)
    told = judged(moondream)
    assert told.scores == {"consistency": 5.0, "realism": 6.0}
    assert told.calls == len(moondream.asked) == 4
    moondream.respond = in_turn(trouble)
    error = failure(moondream)
    assert error.kind in (ErrorKind.UNAVAILABLE, ErrorKind.QUEUE_FULL)
    assert len(moondream.asked) == 10


def test_retry_after_is_kept_to_within_the_deadline(moondream):
    slow = as_json({}, 429, Retry_After="1")
    moondream.respond = moondream_scores(consistency=[slow, 5], realism=6)
    began = time.monotonic()
    assert judged(moondream).scores["consistency"] == 5.0
    assert time.monotonic() - began >= 1
    moondream.respond = in_turn(as_json({}, 429, Retry_After="90"))
    assert failure(moondream).kind is ErrorKind.QUEUE_FULL


@pytest.mark.parametrize(("status", "told"), [(400, ": no dogs in hats"), (401, ""), (403, "")])
def test_what_the_judge_does_not_take_is_told_without_the_key(moondream, caplog, status, told):
    caplog.set_level(logging.DEBUG)
    moondream.respond = in_turn(as_json({"error": f"no dogs in hats\n{KEY}"}, status))
    error = failure(moondream)
    assert error.kind is ErrorKind.UNAVAILABLE
    assert error.message == f"moondream: expected an answer, got status {status}{told}"
    assert len(moondream.asked) == 2
    assert KEY not in caplog.text


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirection_which_would_carry_the_key_along_is_not_followed(moondream, status):
    location = f"{moondream.url}/elsewhere"
    moondream.respond = in_turn(Reply(status, headers={"Location": location}))
    assert failure(moondream).kind is ErrorKind.UNAVAILABLE
    assert [asked.path for asked in moondream.asked] == ["/v1/query"] * 2


def test_a_proxy_of_the_environment_is_not_for_this_machine(moondream, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert judged(moondream).scores["realism"] == 6.0


def test_nobody_there_is_unavailable(moondream):
    # Port 1 of loopback: nothing listens there.
    error = failure(moondream, url="http://127.0.0.1:1/v1")
    assert error.kind is ErrorKind.UNAVAILABLE
    assert error.message.endswith("got no connection to it")


def test_who_cancels_closes_the_connections_and_leaves_no_thread(moondream):
    moondream.hold = lambda asked: True

    async def asked_and_left() -> None:
        judge = judge_of(Moondream, moondream)
        asking = asyncio.create_task(judge.judge(pictures(), within(60)))
        await asyncio.to_thread(moondream.arrived.wait, 30)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(asked_and_left())
    assert moondream.left.wait(30)
    for thread in threading.enumerate():
        if thread.name == THREAD:
            thread.join(30)
            assert not thread.is_alive()


def test_a_model_that_is_gone_is_passed_over_and_told(moondream):
    good = moondream_scores(consistency=7, realism=6)

    def respond(asked):
        return good(asked) if asked.model == "second-2" else as_json({"error": "unknown"}, 404)

    moondream.respond = respond
    told = judged(moondream)
    assert told.model == "second-2"
    assert told.notes == ("model first-1 is gone, another was asked",)


def test_a_server_of_this_machine_is_asked_without_a_key(moondream):
    judged(moondream, key="")
    assert all("X-Moondream-Auth" not in asked.headers for asked in moondream.asked)


def test_beyond_the_budget_nothing_is_sent_and_what_was_answered_counts(moondream):
    told = judged(moondream, allowance=Allowance(1, "DAILY", 100.0, "USD"))
    assert len(moondream.asked) == told.calls == 1
    assert len(told.scores) == len(told.silent) == 1
    (reason,) = told.silent.values()
    assert reason == "DAILY: the 1 requests of this day (UTC) are made"


def test_past_the_deadline_nothing_is_sent(moondream):
    error = failure(moondream, seconds=-1)
    assert error.kind is ErrorKind.DEADLINE
    assert error.message == "moondream: expected time left to ask it, got none"
    assert moondream.asked == []


def test_outside_of_a_judgement_the_client_works_as_ever(moondream, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    client = client_module().CloudVL(endpoint=moondream.url, api_key="another")
    answer = client.query(Image.fromarray(pictures().result), '{"realism": a number')
    assert json.loads(answer["answer"]) == {"realism": 6}
    assert moondream.asked[0].headers["X-Moondream-Auth"] == "another"
