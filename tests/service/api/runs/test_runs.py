"""Runs: a picture and its jobs, made, looked at and cancelled through the API."""

from __future__ import annotations

import asyncio
import re

import pytest

from pawfect_service.jobs.paths import RunId
from pawfect_service.stores import make_queue
from pawfect_service.stores.base import Change
from tests.service.api.runs.runs import RUNS, completed, made
from tests.service.repeat import Repeat
from tests.service.stack import SOON, Stack, running


async def test_a_run_is_made_worked_on_and_its_files_are_fetched(alone: Stack, repeat: Repeat):
    answer = await made(alone, parameters='{"times": 2}')
    assert answer.status_code == 202, answer.text
    state = answer.json()
    here = f"{RUNS}/{state['runId']}"
    assert answer.headers["location"] == here
    assert re.fullmatch(r"[0-9a-f]{32}\.u", state["runId"])
    assert (state["processingStatus"], state["user"]) == ("pending", "u")
    (version,) = state["versions"]
    assert (version["version"], version["kind"], version["variant"]) == (1, "repeat", None)
    assert version["links"] == {
        "text": f"{here}/files/text.txt?version=1",
        "title": None,
        "repeated": None,
        "length": None,
    }
    async with alone.working():
        state = await alone.until(lambda run: run["processingStatus"] == "completed", where=here)
    (version,) = state["versions"]
    assert version["parameters"] == {"times": 2}
    assert version["report"] == {"engine": "repeat"}
    for link in (version["links"]["repeated"], f"{here}/files/repeated.txt"):
        found = await alone.http.get(link)
        assert (found.status_code, found.content) == (200, b"abab")
        again = await alone.http.get(link, headers={"if-none-match": found.headers["etag"]})
        assert again.status_code == 304


async def test_a_run_goes_through_either_store_and_its_queue(
    store_url: str, nowhere: str, repeat: Repeat, uid: str
):
    make_queue(store_url, SOON)
    async with running(store_url, nowhere) as stack, stack.working():
        runs = [(await made(stack, user=uid)).json()["runId"] for _ in range(2)]
        for run in runs:
            here = f"{RUNS}/{run}"
            await stack.until(lambda run: run["processingStatus"] == "completed", where=here)
            assert (await stack.http.get(f"{here}/files/repeated.txt")).content == b"ab"
            answer = await stack.http.post(f"{here}/feedback", json={"rating": 3})
            assert answer.json()["versions"][0]["feedback"]["rating"] == 3
        documents = [each async for each in stack.documents.of_kind("repeat", 0.0)]
        ratings = [each["jobFeedback"]["rating"] for each in documents if uid in str(each["paths"])]
        assert ratings == [3, 3]


async def test_each_post_makes_a_run_of_its_own_and_no_session(alone: Stack, repeat: Repeat):
    states = [answer.json() for answer in await asyncio.gather(*(made(alone) for _ in range(5)))]
    assert len({state["runId"] for state in states}) == 5
    run = RunId.parse(states[0]["runId"])
    assert run is not None
    for route in ("", "/events", "/files/text.txt"):
        path = f"/v1/users/u/sessions/{run.sid(1)}{route}"
        assert (await alone.http.get(path)).status_code == 404
    posted = await alone.post(sid=run.sid(1))
    assert posted.status_code == 404, "nothing replaces a run's job"


async def test_a_run_is_what_its_jobs_are(alone: Stack, repeat: Repeat):
    here = await completed(alone)
    run = RunId.parse(here.rpartition("/")[2])
    assert run is not None
    await alone.ordered(repeat, sid=run.sid(2), times=3)
    state = await alone.state(where=here)
    assert [each["processingStatus"] for each in state["versions"]] == ["completed", "pending"]
    assert state["processingStatus"] == "pending"
    assert (await alone.http.get(f"{here}/files/repeated.txt")).status_code == 404
    first = await alone.http.get(f"{here}/files/repeated.txt", params={"version": 1})
    assert first.content == b"ab"
    assert (await alone.http.get(f"{here}/files/text.txt?version=3")).status_code == 404
    cancelled = (await alone.http.delete(here)).json()
    assert [each["processingStatus"] for each in cancelled["versions"]] == [
        "completed",
        "cancelled",
    ]
    assert await alone.state(where=here) == cancelled
    assert (await alone.http.delete(here)).json() == cancelled


async def test_a_run_whose_job_is_lost_is_given_up(alone: Stack, repeat: Repeat):
    state = (await made(alone)).json()
    run = RunId.parse(state["runId"])
    assert run is not None
    await alone.documents.update(
        "u", run.sid(1), lambda old, _: Change({**(old or {}), "expiresAt": 1.0})
    )
    (version,) = (await alone.state(where=f"{RUNS}/{run}"))["versions"]
    assert (version["processingStatus"], version["error"]["kind"]) == ("failed", "DEADLINE")


@pytest.mark.parametrize(
    "run_id",
    [
        "x",
        "0" * 32,
        f"{'0' * 32}.",
        f"{'0' * 32}.a b",
        f"{'0' * 32}..",
        f"{'A' * 32}.u",
        "..%2Fx",
        f"{'0' * 32}.u%2F..%2Fv",
        f"{'0' * 32}.u%00",
        f"{'0' * 32}.__u__",
    ],
)
async def test_what_is_no_runs_id_is_not_found(alone: Stack, run_id: str):
    answer = await alone.http.get(f"{RUNS}/{run_id}")
    assert (answer.status_code, answer.json()["error"]["kind"]) == (404, "INVALID_ARG")


async def test_a_kind_that_is_none_and_files_of_another_name_are_refused(alone, repeat):
    for kind, expected in (("refine", "kind: expected one of"), ("../x", "kind: expected one of")):
        answer = await made(alone, kind=kind)
        assert answer.status_code == 400
        assert answer.json()["error"]["message"].startswith(expected)
    here = await completed(alone)
    for name in ("..%2Ftext.txt", "other.txt", "attempts"):
        assert (await alone.http.get(f"{here}/files/{name}")).status_code == 404
