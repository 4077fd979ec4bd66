"""The judge Gemini: Google's real SDK over real sockets, against a server that speaks its API."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import time
from email.utils import formatdate
from functools import partial

import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.judges.gemini import MOST_BYTES, Gemini
from pawfect.judges.pictures import SIDE
from pawfect.judges.settings import RemoteModel
from pawfect.remote.budget import Allowance
from tests.judge_servers import (
    CUT,
    KEY,
    Reply,
    as_json,
    gemini_error,
    gemini_says,
    gemini_scores,
    in_turn,
    moondream_says,
)
from tests.pawfect.judges import conftest
from tests.pawfect.judges.conftest import judge_of, pictures, same, within

GOOD = gemini_scores(consistency=7, realism=6.5, flaws=[])


judged = partial(conftest.judged, Gemini)
failure = partial(conftest.failure, Gemini)


def test_what_is_sent_is_the_rubric_and_small_pictures_and_what_comes_back_are_scores(gemini):
    told = judged(gemini)
    assert told.scores == {"consistency": 7.0, "realism": 6.5}
    assert (told.judge, told.silent, told.model, told.calls) == ("gemini", {}, "first-1", 1)
    assert told.parts == {"consistency_given": 7.0, "realism_given": 6.5}
    assert told.ms > 0
    (asked,) = gemini.asked
    assert asked.path == "/v1beta/models/first-1:generateContent"
    assert asked.headers["x-goog-api-key"] == KEY
    assert KEY not in asked.path + json.dumps(asked.body)
    shown = pictures()
    assert [
        same(*pair) for pair in zip(asked.pictures, (shown.original, shown.result), strict=True)
    ]
    assert all(max(one.shape[:2]) <= SIDE for one in asked.pictures)
    assert "outlined in magenta" in asked.text
    assert "identity" not in asked.text
    config = asked.body["generationConfig"]
    assert config["responseMimeType"] == "application/json"
    schema = config["responseJsonSchema"]
    assert schema["required"] == ["consistency", "realism", "flaws"]
    assert config["maxOutputTokens"] == 2048


def test_a_reference_is_shown_as_the_third_picture_and_asked_about(gemini):
    gemini.respond = in_turn(gemini_scores(consistency=1, realism=2, identity=3, flaws=[]))
    told = judged(gemini, reference=True)
    assert told.scores == {"consistency": 1.0, "realism": 2.0, "identity": 3.0}
    (asked,) = gemini.asked
    assert same(asked.pictures[2], pictures(True).reference)
    assert "The third picture is a reference" in asked.text


def test_what_was_not_asked_for_is_no_score(gemini):
    gemini.respond = in_turn(gemini_scores(consistency=1, realism=2, identity=3, quality=9))
    assert set(judged(gemini).scores) == {"consistency", "realism"}


def test_fatal_flaws_cap_the_scores_and_the_remark_is_told(gemini):
    flaws = ["cgi_look", "invented_by_the_judge"]
    remark = f"smooth\x1b[1m fur, see /srv/app/main.py and {KEY}\nTraceback"
    gemini.respond = in_turn(gemini_scores(consistency=9, realism=8, flaws=flaws, remark=remark))
    told = judged(gemini)
    assert told.scores == {"consistency": 5.0, "realism": 3.0}
    assert told.parts["realism_given"] == 8.0
    assert told.notes == ("cgi look", "smooth[1m fur, see main.py and ***")


def test_the_model_that_answered_is_told_where_another_was_routed_to(gemini):
    gemini.respond = in_turn(
        gemini_says('{"consistency": 1, "realism": 2}', modelVersion="first-1-0926")
    )
    assert judged(gemini).model == "first-1-0926"


def test_prose_around_the_json_is_let_pass(gemini):
    text = 'Here you are:\n```json\n{"consistency": 4, "realism": 3, "flaws": []}\n```\nDone.'
    gemini.respond = in_turn(gemini_says(text))
    assert judged(gemini).scores == {"consistency": 4.0, "realism": 3.0}


@pytest.mark.parametrize("value", [11, -1, "7", None, True])
def test_half_an_answer_is_half_a_judgement(gemini, value):
    gemini.respond = in_turn(gemini_scores(consistency=value, realism=3))
    told = judged(gemini)
    assert told.scores == {"realism": 3.0}
    assert set(told.silent) == {"consistency"}
    assert told.silent["consistency"].startswith("consistency: expected a number from 0 to 10, got")
    assert told.calls == len(gemini.asked) == 1


NONSENSE = [
    (gemini_says("7,4,6"), ErrorKind.INTERNAL, "got none of them"),
    (gemini_says("I would say 5 out of 10."), ErrorKind.INTERNAL, "got none of them"),
    (gemini_scores(consistency=11, realism=-1), ErrorKind.INTERNAL, "got one out of range"),
    (gemini_says('{"consistency": NaN, "realism": NaN}'), ErrorKind.INTERNAL, "got nan"),
    (gemini_says('{"consistency": 7, "real', "MAX_TOKENS"), ErrorKind.INTERNAL, "none of them"),
    (moondream_says('{"consistency": 7}'), ErrorKind.INTERNAL, "one without candidates"),
    (as_json({"choices": [{"message": "7"}]}), ErrorKind.INTERNAL, "one without candidates"),
    (as_json([1, 2]), ErrorKind.INTERNAL, "one without candidates"),
    (as_json({"candidates": 7}), ErrorKind.INTERNAL, "an answer of its API"),
    (Reply(body=b"<h1>hello</h1>"), ErrorKind.INTERNAL, "an answer of its API"),
    (Reply(body=b"[" * 100_000), ErrorKind.INTERNAL, "an answer of its API"),
    (gemini_says("x" * (MOST_BYTES + 1)), ErrorKind.INTERNAL, "one that is too large"),
    (
        Reply(body=gzip.compress(b" " * 9_000_000), headers={"Content-Encoding": "gzip"}),
        ErrorKind.INTERNAL,
        "one that is packed",
    ),
    (
        as_json({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}),
        ErrorKind.UNAVAILABLE,
        "got a refusal (PROHIBITED_CONTENT)",
    ),
    (
        gemini_says('{"consistency": 5, "realism": 5}', "SAFETY"),
        ErrorKind.UNAVAILABLE,
        "got a refusal (SAFETY)",
    ),
    (gemini_says("", "STOP"), ErrorKind.INTERNAL, "one without a text"),
]


@pytest.mark.parametrize(("reply", "kind", "says"), NONSENSE, ids=range(len(NONSENSE)))
def test_nonsense_and_refusals_are_no_score_and_not_asked_for_again(gemini, reply, kind, says):
    gemini.respond = in_turn(reply)
    error = failure(gemini)
    assert says in error.message
    assert error.kind is kind
    assert len(gemini.asked) == 1


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [
        (400, ErrorKind.UNAVAILABLE, ": no dogs"),
        (401, ErrorKind.UNAVAILABLE, ""),
        (403, ErrorKind.UNAVAILABLE, ""),
        (413, ErrorKind.UNAVAILABLE, ": no dogs"),
    ],
)
def test_what_the_judge_does_not_take_is_told_and_asked_once(gemini, caplog, status, kind, told):
    caplog.set_level(logging.DEBUG)
    gemini.respond = in_turn(gemini_error(status, f"no dogs\n{KEY[:9]}***7890"))
    error = failure(gemini)
    assert (error.kind, error.message) == (
        kind,
        f"gemini: expected an answer, got status {status}{told}",
    )
    assert len(gemini.asked) == 1
    assert KEY not in caplog.text


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_in_trouble_is_asked_again_at_most_twice(gemini, status):
    gemini.respond = in_turn(gemini_error(status, "busy"), gemini_error(status, "busy"), GOOD)
    told = judged(gemini)
    assert told.scores["consistency"] == 7.0
    assert told.calls == len(gemini.asked) == 3
    gemini.respond = in_turn(gemini_error(status, "busy"))
    kinds = {429: ErrorKind.QUEUE_FULL, 504: ErrorKind.DEADLINE}
    assert failure(gemini).kind is kinds.get(status, ErrorKind.UNAVAILABLE)
    assert len(gemini.asked) == 6


def test_a_dropped_connection_is_asked_again_and_nobody_there_is_unavailable(gemini):
    gemini.respond = in_turn(CUT, GOOD)
    assert judged(gemini).calls == 2
    # Port 1 of loopback: nothing listens there.
    error = failure(gemini, url="http://127.0.0.1:1")
    assert error.kind is ErrorKind.UNAVAILABLE
    assert error.message.endswith("got no connection to it")


def test_retry_after_is_kept_to(gemini):
    detail = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.4s"}
    gemini.respond = in_turn(gemini_error(429, "slow down", detail), GOOD)
    began = time.monotonic()
    assert judged(gemini).calls == 2
    assert time.monotonic() - began >= 0.4


@pytest.mark.parametrize(
    "after", [lambda: "30", lambda: formatdate(time.time() + 30, usegmt=True)], ids=["s", "date"]
)
def test_who_wants_to_be_asked_after_the_deadline_is_not_waited_for(gemini, after):
    gemini.respond = in_turn(gemini_error(429, "slow down", Retry_After=after()))
    began = time.monotonic()
    error = failure(gemini, seconds=20)
    assert error.kind is ErrorKind.QUEUE_FULL
    assert time.monotonic() - began < 15
    assert len(gemini.asked) == 1


def test_a_judge_that_hangs_is_late_and_its_connection_is_closed(gemini):
    gemini.hold = lambda asked: True
    error = failure(gemini, timeout_s=1)
    assert error.kind is ErrorKind.DEADLINE
    assert error.message == "gemini: expected an answer within 1.0 s, got none"
    assert gemini.left.wait(30)
    assert len(gemini.asked) == 1


def test_the_requests_own_deadline_comes_first(gemini):
    gemini.hold = lambda asked: True
    began = time.monotonic()
    assert failure(gemini, seconds=1.5).kind is ErrorKind.DEADLINE
    assert time.monotonic() - began < 15


def test_who_cancels_closes_the_connection(gemini):
    gemini.hold = lambda asked: True

    async def asked_and_left() -> None:
        judge = judge_of(Gemini, gemini)
        asking = asyncio.create_task(judge.judge(pictures(), within(60)))
        await asyncio.to_thread(gemini.arrived.wait, 30)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(asked_and_left())
    assert gemini.left.wait(30)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirection_is_not_followed(gemini, status):
    gemini.respond = in_turn(Reply(status, headers={"Location": f"{gemini.url}/elsewhere"}))
    assert failure(gemini).kind is ErrorKind.UNAVAILABLE
    assert len(gemini.asked) == 1


def test_a_model_that_is_gone_is_passed_over_and_told_and_not_asked_again(gemini):
    def respond(asked):
        return GOOD if asked.model == "second-2" else gemini_error(404, "is not found")

    gemini.respond = respond
    judge = judge_of(Gemini, gemini)
    first = asyncio.run(judge.judge(pictures(), within(60)))
    second = asyncio.run(judge.judge(pictures(), within(60)))
    assert (first.calls, second.calls) == (2, 1)
    for told in (first, second):
        assert told.model == "second-2"
        assert told.notes == ("model first-1 is gone, another was asked",)
    gemini.respond = in_turn(gemini_error(410, "gone"))
    error = failure(gemini)
    assert error.kind is ErrorKind.UNAVAILABLE
    assert error.message == (
        "PAWFECT_GEMINI_MODEL: expected a model that is there, got none of first-1, second-2"
    )


def test_beyond_the_days_calls_nothing_is_sent_and_repeats_count(gemini):
    gemini.respond = in_turn(gemini_error(503, "busy"))
    error = failure(gemini, allowance=Allowance(2, "DAILY", 100.0, "USD"))
    assert error.kind is ErrorKind.UNAVAILABLE
    assert error.message == "DAILY: the 2 requests of this day (UTC) are made"
    assert len(gemini.asked) == 2


def test_beyond_the_days_money_nothing_is_sent(gemini):
    judge = judge_of(
        Gemini, gemini,
        allowance=Allowance(100, "DAILY", 0.5, "USD"), models=(RemoteModel("dear", 0.2),),
    )  # fmt: skip

    async def three() -> list[object]:
        asking = [judge.judge(pictures(), within(60)) for _ in range(3)]
        return await asyncio.gather(*asking, return_exceptions=True)

    told = asyncio.run(three())
    (error,) = [one for one in told if isinstance(one, PawfectError)]
    assert error.message == (
        "USD: 0.4 of the 0.5 USD of this day (UTC) are spent, and a request may cost 0.2"
    )
    assert len(gemini.asked) == 2


def test_the_environment_neither_redirects_nor_switches_the_sdk(gemini, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    # Port 9 of loopback: what went there would be lost.
    elsewhere = "http://127.0.0.1:9"
    for name, value in {
        "HTTP_PROXY": elsewhere, "http_proxy": elsewhere, "ALL_PROXY": elsewhere,
        "GOOGLE_GEMINI_BASE_URL": elsewhere, "GOOGLE_API_KEY": "another", "GEMINI_API_KEY": "x",
        "GOOGLE_GENAI_USE_VERTEXAI": "true", "GOOGLE_GENAI_API_VERSION": "v9",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    assert judged(gemini).scores["realism"] == 6.5
    (asked,) = gemini.asked
    assert asked.headers["x-goog-api-key"] == KEY
    assert KEY not in caplog.text
