"""Feedback: what a run's owner says of it, once it is completed."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from pawfect_service.http.callers import ApiKeys, new_api_key
from pawfect_service.jobs.paths import RunId
from tests.service.api.runs.runs import RUNS, TEXT, completed, delivered, made
from tests.service.repeat import Repeat
from tests.service.stack import Stack, running


async def test_feedback_is_kept_whole_and_replaced(alone: Stack, repeat: Repeat):
    here = await completed(alone)
    for said in ({"rating": 2}, {"rating": 5, "comment": "every whisker \U0001f43e"}):
        answer = await alone.http.post(f"{here}/feedback", json=said)
        assert answer.status_code == 200, answer.text
        state = await alone.state(where=here)
        assert answer.json() == state
        feedback = state["versions"][0]["feedback"]
        assert feedback.pop("at") > 1e9
        assert feedback == {"comment": None, **said}
    run = RunId.parse(state["runId"])
    assert run is not None
    document = await alone.documents.get("u", run.sid(1))
    assert document["jobFeedback"]["rating"] == 5
    assert document["processingStatus"] == "completed"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({}, "feedback.rating: expected a value"),
        ({"rating": 0}, "greater than or equal to 1, got 0"),
        ({"rating": 6}, "less than or equal to 5, got 6"),
        ({"rating": 3.0}, "a valid integer, got 3.0"),
        ({"rating": True}, "a valid integer, got True"),
        ({"rating": "5"}, "a valid integer, got '5'"),
        ({"rating": None}, "a valid integer, got None"),
        ({"rating": 4, "comment": 7}, "feedback.comment: expected a valid string"),
        ({"rating": 4, "comment": "x" * 2049}, "feedback.comment: expected "),
        ({"rating": 4, "stars": 4}, "feedback.stars: expected "),
        ({"rating": 4, "version": "1"}, "feedback.version: expected a valid integer"),
    ],
)
async def test_feedback_that_is_none_is_refused(alone, repeat, said, message):
    here = await completed(alone)
    answer = await alone.http.post(f"{here}/feedback", json=said)
    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"]
    assert (await alone.state(where=here))["versions"][0]["feedback"] is None


async def test_feedback_as_something_else_or_too_soon_is_refused(alone: Stack, repeat: Repeat):
    here = await completed(alone)
    for content, media in (
        (b'{"rating": NaN}', "application/json"),
        (b'{"rating": 1, "rating": 5}', "application/json"),
        (b"[5]", "application/json"),
        (b'{"rating": 5}', "text/plain"),
    ):
        headers = {"content-type": media}
        answer = await alone.http.post(f"{here}/feedback", content=content, headers=headers)
        assert answer.status_code == 400, content
    missing = await alone.http.post(f"{here}/feedback", json={"rating": 5, "version": 2})
    assert missing.status_code == 404
    pending = (await made(alone)).json()["runId"]
    early = await alone.http.post(f"{RUNS}/{pending}/feedback", json={"rating": 5})
    assert early.status_code == 409
    assert "expected version 1 to be completed" in early.json()["error"]["message"]


async def test_a_run_is_its_owners_alone(store, nowhere, repeat: Repeat):
    own, own_line = new_api_key("phone", "u")
    other, other_line = new_api_key("phone2", "v")
    every, every_line = new_api_key("backend", "*")
    keys = ApiKeys([own_line, other_line, every_line])
    async with running(store, nowhere, authenticators=[keys]) as stack:

        async def post(key: str, **query: str) -> httpx.Response:
            query = {"kind": "repeat", **query}
            return await stack.http.post(RUNS, params=query, files=TEXT, headers={"x-api-key": key})

        state = (await post(own)).json()
        assert state["user"] == "u", "whose key it is"
        assert (await post(every, user="u")).json()["user"] == "u"
        assert (await post(own, user="v")).status_code == 403
        unsaid = await post(every)
        assert unsaid.status_code == 400
        assert unsaid.json()["error"]["message"].startswith("user: expected whose run it is")
        here = f"{RUNS}/{state['runId']}"
        await delivered(stack, state)
        guessed = f"{RUNS}/{'0' * 32}.u"
        for key, status, there in ((other, 403, 403), (own, 200, 404), (every, 200, 404)):
            given: dict[str, Any] = {"headers": {"x-api-key": key}}
            assert (await stack.http.get(here, **given)).status_code == status
            assert (await stack.http.get(f"{here}/files/text.txt", **given)).status_code == status
            assert (await stack.http.delete(here, **given)).status_code == status
            said = await stack.http.post(f"{here}/feedback", json={"rating": 1}, **given)
            assert said.status_code == status
            assert (await stack.http.get(guessed, **given)).status_code == there
        for key in ("", "no key"):
            headers = {"x-api-key": key} if key else {}
            assert (await stack.http.get(here, headers=headers)).status_code == 401
